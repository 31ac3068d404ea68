// Every kernel of kernel_table.h, in whatever language this is compiled as.
#pragma once
#include "ops/gpu/attend.h"
#include "ops/gpu/attend_tiles.h"
#include "ops/gpu/delta_net.h"
#include "ops/gpu/ffn.h"
#include "ops/gpu/kernel_table.h"
#include "ops/gpu/rope.h"
#include "ops/gpu/route.h"
#include "ops/gpu/rows.h"
#include "ops/gpu/tile_ffn.h"
#include "ops/gpu/top_logits.h"
