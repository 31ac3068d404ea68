# Writes a header with the version of this engine build: the release and a hash over what computes, that is all sources but the
# tests and the tools, and over the compiler, its flags and the processor. Equal sources give equal versions in any checkout; a prefix
# that another build computed is then refused. Run as a script at every build, so that no edit is missed; leaves the header alone
# when nothing changed.
#   cmake -D SOURCE=native -D RELEASE=0.1.0 -D TOOLCHAIN="GNU 12.2 ..." -D OUTPUT=engine_version.h -P engine_fingerprint.cmake
file(GLOB_RECURSE sources LIST_DIRECTORIES false RELATIVE "${SOURCE}" "${SOURCE}/*.cpp" "${SOURCE}/*.h" "${SOURCE}/*.inl" "${SOURCE}/*.cmake" "${SOURCE}/*.cu" "${SOURCE}/*.cuh" "${SOURCE}/*.metal" "${SOURCE}/*.mm" "${SOURCE}/CMakeLists.txt")
list(FILTER sources EXCLUDE REGEX "^(test|tools)/")
list(SORT sources)
set(all "${TOOLCHAIN}")
foreach(source IN LISTS sources)
  file(SHA256 "${SOURCE}/${source}" hash)
  string(APPEND all "\n${source} ${hash}")
endforeach()
string(SHA256 fingerprint "${all}")
string(SUBSTRING "${fingerprint}" 0 16 fingerprint)
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT "#pragma once
#define CONCLAVE_ENGINE_VERSION \"${RELEASE}+${fingerprint}\"
")
