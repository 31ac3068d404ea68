// Which drafter a file holds.
#include "base/error.h"
#include "base/printable.h"
#include "speculate/dflash.h"
#include "speculate/mdlm.h"

namespace conclave {

namespace {

const std::vector<std::string>* tokens_of(const GgufFile& file) {
  const GgufValue* value = file.find("tokenizer.ggml.tokens");
  const auto* array = value != nullptr ? std::get_if<GgufArray>(value) : nullptr;
  return array != nullptr ? std::get_if<std::vector<std::string>>(array) : nullptr;
}

constexpr int64_t kNormalToken = 1;   // of tokenizer.ggml.token_type

/// The drafter may know more (its mask lies behind the target's tokens), but none otherwise. Only words count: converters name
/// unused and control tokens differently.
void check_tokens(const GgufFile& drafter, const GgufFile& target) {
  const std::vector<std::string>*own = tokens_of(drafter), *others = tokens_of(target);
  if (own == nullptr || others == nullptr) return;
  const GgufValue* value = target.find("tokenizer.ggml.token_type");
  const auto* array = value != nullptr ? std::get_if<GgufArray>(value) : nullptr;
  const auto* types = array != nullptr ? std::get_if<std::vector<int64_t>>(array) : nullptr;
  for (size_t i = 0; i < others->size(); ++i) {
    if (types != nullptr && i < types->size() && (*types)[i] != kNormalToken) continue;
    if (i < own->size() && (*own)[i] == (*others)[i]) continue;
    throw Error(ErrorCode::kBadArgument, "the drafter was made for another model: its token " + std::to_string(i) + (i < own->size() ? " is '" + printable((*own)[i]) + "'" : " is missing") +
                                             " and this model's is '" + printable((*others)[i]) + "'");
  }
}

}  // namespace

void refuse_drafter(const GgufFile& file) {
  const std::string architecture = gguf_string(file, "general.architecture");
  if (!is_dflash_architecture(architecture) && architecture != kMdlmArchitecture) return;
  throw Error(ErrorCode::kUnsupported, "this file holds a drafter ('" + architecture + "'), which cannot answer by itself; give it together with the model that it was made for");
}

std::unique_ptr<DrafterModel> open_drafter(const std::string& path, const ModelSpec& target) {
  const std::string architecture = gguf_string(*GgufFile::open(path), "general.architecture");
  if (is_dflash_architecture(architecture)) return std::make_unique<DflashModel>(path, target);
  if (architecture == kMdlmArchitecture) return std::make_unique<MdlmModel>(path, target);
  throw Error(ErrorCode::kUnsupported, "the file given as a drafter is a '" + printable(architecture) + "'; drafters are 'dflash', 'dflash-draft', 'qwen35-dflash-draft' and '" + kMdlmArchitecture + "'");
}

std::unique_ptr<DrafterModel> open_drafter(const std::string& path, const ModelSpec& target, const GgufFile& target_file) {
  std::unique_ptr<DrafterModel> drafter = open_drafter(path, target);
  check_tokens(*GgufFile::open(path), target_file);
  return drafter;
}

}  // namespace conclave
