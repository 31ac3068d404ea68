// See hf_tokenizer.h.
#include "convert/hf_tokenizer.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/printable.h"
#include "convert/source.h"

namespace conclave {
namespace {

/// GGUF's token kinds.
enum TokenKind : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

constexpr const char* kSpaceMark = "\u2581";

/// How a byte-level vocabulary cuts text, by the pattern that its tokenizer.json states, and GGUF's name for it.
struct PreTokenizerName {
  const char* pattern;
  const char* name;
};

constexpr PreTokenizerName kPreTokenizers[] = {
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "qwen2"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "llama-bpe"},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "gpt-4o"},
};
constexpr const char* kGpt2 = "gpt-2";   // ByteLevel's own pattern, without another before it

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::kBadFile, "tokenizer.json " + what); }
[[noreturn]] void unsupported(const std::string& what) { throw Error(ErrorCode::kUnsupported, "tokenizer.json " + what); }

const std::string& text_or_empty(const Json* value) {
  static const std::string kEmpty;
  const std::string* text = value != nullptr ? value->text() : nullptr;
  return text != nullptr ? *text : kEmpty;
}

std::string type_of(const Json* part) { return part != nullptr ? text_or_empty(part->find("type")) : std::string(); }

/// A part, or the members of a sequence of them, by the name of the list inside a sequence.
std::vector<const Json*> flattened(const Json* part, const char* list) {
  if (part == nullptr || part->is_null()) return {};
  const Json* members = type_of(part) == "Sequence" ? part->find(list) : nullptr;
  if (members == nullptr || members->array() == nullptr) return {part};
  std::vector<const Json*> out;
  for (const Json& member : *members->array()) out.push_back(&member);
  return out;
}

class Vocabulary {
 public:
  Vocabulary(const HfTextFiles& files, int64_t n_vocab) : files_(files), model_(member(files.tokenizer, "model")), texts_(static_cast<size_t>(n_vocab)), kinds_(static_cast<size_t>(n_vocab), kUnused) {
    if (type_of(&model_) != "BPE" && model_.find("merges") == nullptr) unsupported("has a model of type '" + printable(type_of(&model_)) + "'; BPE is supported");
    read_tokens();
    read_merges();
  }

  std::vector<GgufEntry> entries() {
    for (size_t id = 0; id < texts_.size(); ++id) {
      if (kinds_[id] == kUnused) texts_[id] = "[PAD" + std::to_string(id) + "]";
    }
    std::vector<GgufEntry> out = byte_level() ? byte_level_entries() : sentence_piece_entries();
    out.push_back(array_entry("tokenizer.ggml.tokens", texts_));
    out.push_back(array_entry("tokenizer.ggml.token_type", kinds_));
    append_special(out);
    append_template(out);
    return out;
  }

 private:
  static const Json& member(const Json& object, const char* name) {
    const Json* found = object.find(name);
    if (found == nullptr || found->object() == nullptr) bad(std::string("lacks its '") + name + "'");
    return *found;
  }

  void place(const std::string& text, const Json* id_value, int64_t kind) {
    const int64_t* id = id_value != nullptr ? id_value->whole() : nullptr;
    if (id == nullptr || *id < 0 || static_cast<size_t>(*id) >= texts_.size()) {
      bad("gives the token '" + printable(text) + "' an id outside the model's vocabulary of " + std::to_string(texts_.size()));
    }
    texts_[static_cast<size_t>(*id)] = text;
    kinds_[static_cast<size_t>(*id)] = kind;
    ids_[text] = *id;
  }

  void read_tokens() {
    const std::string& unknown = text_or_empty(model_.find("unk_token"));
    for (const auto& [text, id] : *member(model_, "vocab").object()) place(text, &id, text == unknown ? kUnknown : is_byte(text) ? kByte : kNormal);
    const Json* added = files_.tokenizer.find("added_tokens");
    if (added == nullptr || added->array() == nullptr) return;
    for (const Json& token : *added->array()) {
      const std::string& text = text_or_empty(token.find("content"));
      const bool* special = token.find("special") != nullptr ? token.find("special")->boolean() : nullptr;
      if (text.empty()) bad("has an added token without text");
      place(text, token.find("id"), text == unknown ? kUnknown : special != nullptr && *special ? kControl : kUserDefined);
    }
  }

  /// "<0x0A>", the form of a byte where byte fallback is on.
  bool is_byte(const std::string& text) const {
    const Json* fallback = model_.find("byte_fallback");
    return fallback != nullptr && fallback->boolean() != nullptr && *fallback->boolean() && text.size() == 6 && text.starts_with("<0x") && text.back() == '>';
  }

  /// As texts "a b", or as pairs.
  void read_merges() {
    const Json* merges = model_.find("merges");
    if (merges == nullptr || merges->array() == nullptr) bad("has no list of merges");
    for (const Json& merge : *merges->array()) {
      if (merge.text() != nullptr) {
        merges_.push_back(*merge.text());
      } else if (const Json::Array* pair = merge.array(); pair != nullptr && pair->size() == 2 && (*pair)[0].text() != nullptr && (*pair)[1].text() != nullptr) {
        merges_.push_back(*(*pair)[0].text() + " " + *(*pair)[1].text());
      } else {
        bad("has a merge that is not a pair of texts (number " + std::to_string(merges_.size()) + ")");
      }
    }
  }

  bool byte_level() const {
    const std::vector<const Json*> parts = flattened(files_.tokenizer.find("pre_tokenizer"), "pretokenizers");
    return std::any_of(parts.begin(), parts.end(), [](const Json* part) { return type_of(part) == "ByteLevel"; });
  }

  std::vector<GgufEntry> byte_level_entries() const {
    std::string pattern;
    for (const Json* part : flattened(files_.tokenizer.find("pre_tokenizer"), "pretokenizers")) {
      if (type_of(part) == "ByteLevel") continue;
      const Json* stated = part->find("pattern");
      if (type_of(part) != "Split" || !pattern.empty() || stated == nullptr) unsupported("cuts text by a pre-tokenizer of type '" + printable(type_of(part)) + "', which has no name in GGUF that is known here");
      pattern = text_or_empty(stated->find("Regex"));
    }
    const auto* row = std::find_if(std::begin(kPreTokenizers), std::end(kPreTokenizers), [&](const PreTokenizerName& name) { return pattern == name.pattern; });
    if (!pattern.empty() && row == std::end(kPreTokenizers)) unsupported("cuts text by the pattern '" + printable(pattern, 200) + "', which has no name in GGUF that is known here");
    return {string_entry("tokenizer.ggml.model", "gpt2"), string_entry("tokenizer.ggml.pre", pattern.empty() ? kGpt2 : row->name), array_entry("tokenizer.ggml.merges", merges_)};
  }

  /// SentencePiece merges by the score of the whole: the rank of the first merge that makes a piece, counted down.
  std::vector<GgufEntry> sentence_piece_entries() const {
    std::vector<double> scores(texts_.size(), 0);
    for (size_t id = 0; id < texts_.size(); ++id) {
      if (kinds_[id] == kNormal) scores[id] = -static_cast<double>(merges_.size() + id);   // pieces that nothing merges into: never asked
    }
    for (size_t rank = merges_.size(); rank-- > 0;) {
      std::string whole = merges_[rank];
      const size_t space = whole.find(' ', 1);
      if (space == std::string::npos) bad("has a merge without two parts (number " + std::to_string(rank) + ")");
      whole.erase(space, 1);
      const auto found = ids_.find(whole);
      if (found == ids_.end()) bad("merges into '" + printable(whole) + "', which is no token");
      if (kinds_[static_cast<size_t>(found->second)] == kNormal) scores[static_cast<size_t>(found->second)] = -static_cast<double>(rank);
    }
    return {string_entry("tokenizer.ggml.model", "llama"), string_entry("tokenizer.ggml.pre", "default"), array_entry("tokenizer.ggml.scores", std::move(scores)),
            bool_entry("tokenizer.ggml.add_space_prefix", adds_space())};
  }

  /// A space before the text: a normaliser that prepends the mark, or the Metaspace pre-tokenizer. Neither: not SentencePiece's form.
  bool adds_space() const {
    for (const Json* part : flattened(files_.tokenizer.find("pre_tokenizer"), "pretokenizers")) {
      if (type_of(part) == "Metaspace") return text_or_empty(part->find("prepend_scheme")) != "never";
    }
    bool replaces = false, prepends = false;
    for (const Json* part : flattened(files_.tokenizer.find("normalizer"), "normalizers")) {
      prepends |= type_of(part) == "Prepend" && text_or_empty(part->find("prepend")) == kSpaceMark;
      replaces |= type_of(part) == "Replace" && text_or_empty(part->find("content")) == kSpaceMark;
    }
    if (!replaces) unsupported("is neither byte-level BPE nor SentencePiece's form of BPE");
    return prepends;
  }

  /// The text of a token named in tokenizer_config.json: a string, or an object with its content.
  std::optional<int64_t> named_token(const char* name) const {
    const Json* stated = files_.tokenizer_config.find(name);
    const std::string& text = stated == nullptr ? text_or_empty(nullptr) : stated->text() != nullptr ? *stated->text() : text_or_empty(stated->find("content"));
    const auto found = ids_.find(text);
    return found != ids_.end() ? std::optional(found->second) : std::nullopt;
  }

  /// An id in config.json, or the first of a list of them.
  std::optional<int64_t> configured_token(const char* name) const {
    const Json* stated = files_.config.find(name);
    if (stated != nullptr && stated->array() != nullptr && !stated->array()->empty()) stated = &stated->array()->front();
    const int64_t* id = stated != nullptr ? stated->whole() : nullptr;
    return id != nullptr && *id >= 0 && static_cast<size_t>(*id) < texts_.size() ? std::optional(*id) : std::nullopt;
  }

  void append_special(std::vector<GgufEntry>& out) const {
    static constexpr struct { const char *text, *id, *key; } kSpecial[] = {
        {"bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id"},
        {"eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id"},
        {"unk_token", "unk_token_id", "tokenizer.ggml.unknown_token_id"},
        {"pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id"},
    };
    for (const auto& special : kSpecial) {
      std::optional<int64_t> id = named_token(special.text);
      if (!id) id = configured_token(special.id);
      if (id) out.push_back(u32_entry(special.key, *id));
    }
    out.push_back(bool_entry("tokenizer.ggml.add_bos_token", begins_with_special()));
  }

  /// Stated, or seen in the template that wraps a single text.
  bool begins_with_special() const {
    const Json* stated = files_.tokenizer_config.find("add_bos_token");
    if (stated != nullptr && stated->boolean() != nullptr) return *stated->boolean();
    for (const Json* part : flattened(files_.tokenizer.find("post_processor"), "processors")) {
      const Json* single = type_of(part) == "TemplateProcessing" ? part->find("single") : nullptr;
      if (single != nullptr && single->array() != nullptr && !single->array()->empty() && single->array()->front().find("SpecialToken") != nullptr) return true;
    }
    return false;
  }

  void append_template(std::vector<GgufEntry>& out) const {
    std::string source = files_.chat_template;
    const Json* stated = files_.tokenizer_config.find("chat_template");
    if (source.empty() && stated != nullptr && stated->text() != nullptr) source = *stated->text();
    if (source.empty() && stated != nullptr && stated->array() != nullptr) {
      for (const Json& named : *stated->array()) {
        if (text_or_empty(named.find("name")) == "default") source = text_or_empty(named.find("template"));
      }
    }
    if (!source.empty()) out.push_back(string_entry("tokenizer.chat_template", source));
  }

  const HfTextFiles& files_;
  const Json& model_;
  std::vector<std::string> texts_, merges_;
  std::vector<int64_t> kinds_;
  std::map<std::string, int64_t> ids_;
};

}  // namespace

std::vector<GgufEntry> tokenizer_entries(const HfTextFiles& files, int64_t n_vocab) { return Vocabulary(files, n_vocab).entries(); }

}  // namespace conclave
