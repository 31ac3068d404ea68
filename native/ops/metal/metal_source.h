// The kernels as text, made by embed.cmake: kernels.metal and all that it includes.
#pragma once

namespace conclave {

extern const char* const kMetalSource;

}  // namespace conclave
