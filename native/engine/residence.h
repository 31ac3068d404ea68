// Where a loaded model is at this moment; see Residence in engine.h.
#pragma once
#include "engine/scheduler.h"

namespace conclave {

Residence residence(Scheduler& scheduler);

}  // namespace conclave
