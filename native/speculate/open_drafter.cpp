// Which drafter a file holds.
#include "base/error.h"
#include "base/printable.h"
#include "speculate/dflash.h"
#include "speculate/mdlm.h"

namespace conclave {

bool is_drafter_architecture(std::string_view architecture) { return is_dflash_architecture(architecture) || architecture == kMdlmArchitecture; }

std::unique_ptr<DrafterModel> open_drafter(const std::string& path, const ModelSpec& target) {
  const std::string architecture = gguf_string(*GgufFile::open(path), "general.architecture");
  if (is_dflash_architecture(architecture)) return std::make_unique<DflashModel>(path, target);
  if (architecture == kMdlmArchitecture) return std::make_unique<MdlmModel>(path, target);
  throw Error(ErrorCode::kUnsupported, "the file given as a drafter is a '" + printable(architecture) + "'; drafters are 'dflash', 'dflash-draft', 'qwen35-dflash-draft' and '" + kMdlmArchitecture + "'");
}

}  // namespace conclave
