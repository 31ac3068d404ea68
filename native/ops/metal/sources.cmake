# On a Mac: the device, and the kernels as text in the program, so that no Xcode is needed where it is built or run.
conclave_module(ops/metal ops_gpu)
if(APPLE)
  enable_language(OBJCXX)
  set(CMAKE_OBJCXX_STANDARD 20)
  file(GLOB conclave_metal_text CONFIGURE_DEPENDS ops/gpu/*.h ops/metal/*.h ops/metal/*.metal)
  set(conclave_metal_source ${CMAKE_BINARY_DIR}/generated/metal_source.cpp)
  add_custom_command(OUTPUT ${conclave_metal_source} DEPENDS ${conclave_metal_text} ops/metal/embed.cmake VERBATIM
    COMMAND ${CMAKE_COMMAND} -D "SOURCE=${CMAKE_CURRENT_SOURCE_DIR}" -D "OUTPUT=${conclave_metal_source}" -D LITERAL=ON -P ${CMAKE_CURRENT_SOURCE_DIR}/ops/metal/embed.cmake)
  target_sources(conclave_ops_metal PRIVATE ops/metal/metal_device.mm ${conclave_metal_source})
  set_source_files_properties(ops/metal/metal_device.mm PROPERTIES COMPILE_OPTIONS "-fobjc-arc")
  target_link_libraries(conclave_ops_metal PUBLIC "-framework Metal" "-framework Foundation")
endif()
