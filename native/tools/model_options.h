// The options that logits, generate and bench share, and what they mean to the engine.
#pragma once
#include <climits>
#include <cmath>
#include <cstdint>

#include "base/error.h"
#include "base/json_reader.h"
#include "engine/engine.h"
#include "formats/mapped_file.h"
#include "tools/arguments.h"

namespace conclave {

/// "8G", "512M" or "1.5G": powers of 1024, as memory is sold.
inline uint64_t bytes_argument(const Arguments& arguments, const char* option) {
  const std::string text = arguments.text(option, "0");
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double scale = unit == "G" ? 1073741824.0 : unit == "M" ? 1048576.0 : 0.0;
  if (text == "0") return 0;
  if (end == text.c_str() || scale == 0.0 || !(number >= 0) || number * scale > 1e15) {
    throw UsageError("the value '" + printable(text) + "' of " + option + " is not an amount of memory such as 8G or 512M");
  }
  return static_cast<uint64_t>(std::llround(number * scale));
}

/// Paths separated by commas.
inline std::vector<std::string> paths_argument(const Arguments& arguments, const char* option) {
  std::vector<std::string> paths;
  std::string rest = arguments.text(option, "");
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    paths.push_back(rest.substr(0, comma));
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
  }
  return paths;
}

/// How often each expert was chosen in what `conclave logits --json` wrote: its "experts", [layer][position][k].
inline std::vector<std::vector<float>> usage_argument(const Arguments& arguments) {
  if (!arguments.has("--expert-usage")) return {};
  const std::string path = arguments.text("--expert-usage", "");
  const MappedFile file(path);
  const Json json = Json::parse({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
  const auto list = [&](const Json* value) -> const Json::Array& {
    if (value && value->array()) return *value->array();
    throw Error(ErrorCode::kBadFile, "the file '" + printable(path) + "' has no \"experts\" by layer and position; write it with `conclave logits --json`");
  };
  std::vector<std::vector<float>> usage;
  for (const Json& layer : list(json.find("experts"))) {
    std::vector<float>& counts = usage.emplace_back();
    for (const Json& position : list(&layer))
      for (const Json& expert : list(&position)) {
        const int64_t* id = expert.whole();
        if (!id || *id < 0 || *id > UINT16_MAX) throw Error(ErrorCode::kBadFile, "the file '" + printable(path) + "' names an expert that is no number from 0 to 65535");
        if (static_cast<size_t>(*id) >= counts.size()) counts.resize(static_cast<size_t>(*id) + 1, 0.f);
        counts[static_cast<size_t>(*id)] += 1.f;
      }
  }
  return usage;
}

inline Device device_argument(const Arguments& arguments) {
  const std::string device = arguments.text("--device", "cpu");
  if (const std::optional<Device> known = device_of(device)) return *known;
  throw UsageError("the option --device is '" + printable(device) + "'; cpu, cuda, metal and auto are known");
}

/// `--exact` keeps the keys and values in F32 too: the path that is compared with reference outputs.
inline EngineOptions engine_options(const Arguments& arguments) {
  EngineOptions options;
  options.path = arguments.positional(0);
  options.n_threads = static_cast<int>(arguments.integer("--threads", 0, 512, 0));
  if (arguments.has("--exact")) {
    options.precision = Precision::kExact;
    options.kv_type = DType::kF32;
  }
  options.device = device_argument(arguments);
  for (const char* option : {"--vram", "--expert-cache", "--expert-usage"}) {
    if (options.device == Device::kCpu && arguments.has(option)) throw UsageError(std::string("the option ") + option + " is for a graphics card; it needs --device cuda, metal or auto");
  }
  options.device_bytes = bytes_argument(arguments, "--vram");
  const std::string cache = arguments.text("--expert-cache", "fixed");
  if (const std::optional<ResidencyPolicy> known = residency_policy_of(cache)) options.expert_cache = *known;
  else throw UsageError("the option --expert-cache is '" + printable(cache) + "'; fixed, lru and lfu are known");
  options.expert_usage = usage_argument(arguments);
  options.drafters = paths_argument(arguments, "--drafter");
  return options;
}

inline DraftOptions draft_argument(const Arguments& arguments) {
  const std::string name = arguments.text("--draft", "off");
  const std::optional<DraftMode> mode = draft_mode_of(name);
  if (!mode) throw UsageError("the option --draft is '" + printable(name) + "'; off, lookup, mdlm, dflash and auto are known");
  return {.mode = *mode, .length = static_cast<int>(arguments.integer("--draft-length", 0, 16, 0))};
}

inline std::vector<int32_t> token_argument(const Arguments& arguments) {
  std::vector<int32_t> tokens = arguments.integers("--tokens", 0, INT_MAX);
  if (tokens.empty()) throw UsageError("the option --tokens is missing; it lists the prompt's token ids, as 1,2,3");
  return tokens;
}

}  // namespace conclave
