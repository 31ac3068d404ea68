// JSON and safetensors from strangers: what is sound reads back, each kind of damage ends in one sentence.
#include <cstring>

#include "base/error.h"
#include "base/json_reader.h"
#include "formats/safetensors.h"
#include "test/check.h"
#include "test/safetensors_builder.h"

using namespace conclave;
using namespace conclave::test;

namespace {

template <class F>
void refuse(F&& call, const std::string& part) {
  try {
    call();
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK_MSG(message.find(part) != std::string::npos, "'" + part + "' is not in: " + message);
    CHECK(message.find('\n') == std::string::npos);
    return;
  }
  fail(__FILE__, __LINE__, "accepted, but expected: " + part);
}

void refuse_json(const std::string& text, const std::string& part) {
  refuse([&] { Json::parse(text, "x.json"); }, part);
}

void refuse_file(const std::vector<std::byte>& bytes, const std::string& part) {
  refuse([&] { Safetensors::open_memory(bytes, "x.safetensors"); }, part);
}

std::vector<std::byte> with_header(const std::string& header, size_t n_data) { return safetensors_bytes(header, std::vector<std::byte>(n_data)); }

}  // namespace

TEST("JSON: every kind of value, escapes and surrogate pairs, order and the last of equal names") {
  const Json json = Json::parse(R"( {"a": [1, -2.5e3, true, false, null], "b": "\u0041\n\"\\\/\ud83d\ude00", "b": "é", "c": {}} )", "x.json");
  const Json::Array& items = *json.find("a")->array();
  CHECK(items.size() == 5 && *items[0].whole() == 1 && items[1].whole() == nullptr && *items[2].boolean() && !*items[3].boolean() && items[4].is_null());
  double number = 0;
  CHECK(items[1].number(number) && number == -2500);
  CHECK(items[0].number(number) && number == 1);
  CHECK((*json.object())[1].second.text()->compare("A\n\"\\/\U0001F600") == 0);
  CHECK(*json.find("b")->text() == "é");
  CHECK(json.find("c")->object()->empty() && json.find("d") == nullptr);
  CHECK(Json::parse("9223372036854775808", "x").whole() == nullptr);   // beyond int64: a double
}

TEST("JSON: what RFC 8259 does not allow is refused with the place") {
  for (const char* text : {"", " ", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "tru", "01", "1.", ".5", "1e", "-", "+1", "inf", "NaN", "'a'", "\"a", "\"\t\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "1 2", "1e999"}) {
    refuse_json(text, "is not valid JSON at byte ");
  }
  refuse_json("\"\xff\"", "UTF-8 text was expected");
  refuse_json("[0, x]", "at byte 4: a value was expected");
  refuse_json(std::string(100, '['), "less than 64 levels of nesting");
  CHECK(Json::parse(std::string(60, '[') + std::string(60, ']'), "x").array() != nullptr);
}

TEST("safetensors: names, types, shapes and bytes read back, sorted") {
  SafetensorsBuilder b;
  b.floats("b", {2, 3}, {1, 2, 3, 4, 5, 6}).floats("a", {1}, {7});
  const std::vector<std::byte> bytes = b.build();
  const auto file = Safetensors::open_memory(bytes, "x");
  CHECK(file->tensors().size() == 2 && file->tensors()[0].name == "a");
  const SafeTensor* tensor = file->find("b");
  CHECK(tensor != nullptr && tensor->type->type == DType::kF32 && tensor->shape == (std::vector<int64_t>{2, 3}) && tensor->bytes.size() == 24);
  float last;
  std::memcpy(&last, tensor->bytes.data() + 20, 4);
  CHECK(last == 6);
  CHECK(file->find("c") == nullptr && file->find("") == nullptr);
}

TEST("safetensors: a file cut at any byte is refused") {
  const std::vector<std::byte> whole = SafetensorsBuilder().floats("a", {4}, {1, 2, 3, 4}).build();
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n));
    refuse_file(cut, "'x.safetensors' ");
  }
}

TEST("safetensors: sizes, ranges and types that do not agree are named") {
  std::vector<std::byte> huge(16);
  std::memset(huge.data(), 0xff, 8);
  refuse_file(huge, "says that its header has 18446744073709551615 bytes");
  refuse_file(with_header("[]", 0), "header that is not a JSON object");
  refuse_file(with_header(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4), "'a' without a type");
  refuse_file(with_header(R"({"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}})", 4), "unknown type 'X9'");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4), "reaches beyond the 4 bytes");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4), "reaches beyond");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "asks for 8 bytes where 4 are kept");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4), "not a whole number from 0");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4), "not a whole number from 0");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4), "too large to be true");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4), "at most 8 numbers");
  refuse_file(with_header(R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4), "whose shape is not a list");
  refuse_file(with_header(R"({"a":7})", 4), "'a' without a type");
  refuse_file(with_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4), "two tensors called 'a'");
}

TEST("safetensors: an index must not lead out of its folder") {
  const TemporaryFolder folder;
  for (const char* name : {"../secret.safetensors", "/etc/passwd", "a\\\\b", "C:x", ".hidden", ""}) {
    folder.write("model.safetensors.index.json", std::string(R"({"weight_map":{"a":")") + name + "\"}}");
    refuse([&] { Safetensors::open(folder.path()); }, "not a file of its folder");
  }
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"gone.safetensors"}})");
  refuse([&] { Safetensors::open(folder.path()); }, "gone.safetensors': ");
  folder.write("model.safetensors.index.json", R"({"weight_map":{}})");
  refuse([&] { Safetensors::open(folder.path()); }, "lists no weights");
}

int main(int argc, char** argv) { return run_tests(argc, argv); }
