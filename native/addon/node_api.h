// The only way in which this folder includes Node. A worker that is being terminated cannot take an exception any more;
// without the switch node-addon-api would end the whole process for it.
#pragma once
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>
