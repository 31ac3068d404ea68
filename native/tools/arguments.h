// Command line arguments: `--name VALUE`, `--name=VALUE`, `-n VALUE`, flags, positionals; `--` ends the options. A command
// declares what it takes; anything else is a usage error (exit status 2).
#pragma once
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/printable.h"

namespace conclave {

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Option {
  const char* name;         // "--threads"
  const char* short_name;   // "-t" or nullptr
  bool takes_value;
};

class Arguments {
 public:
  Arguments(std::span<char* const> args, std::initializer_list<Option> options, size_t n_positionals) {
    bool options_over = false;
    for (size_t i = 0; i < args.size(); ++i) {
      const std::string_view arg = args[i];
      if (options_over || arg.size() < 2 || arg[0] != '-') {
        positionals_.emplace_back(arg);
        continue;
      }
      if (arg == "--") {
        options_over = true;
        continue;
      }
      const size_t equals = arg.starts_with("--") ? arg.find('=') : std::string_view::npos;
      const std::string_view name = arg.substr(0, equals);
      const Option& option = lookup(options, name);
      if (values_.contains(option.name)) throw UsageError("the option " + std::string(option.name) + " is given twice");
      if (!option.takes_value) {
        if (equals != std::string_view::npos) throw UsageError("the option " + std::string(option.name) + " takes no value");
        values_[option.name] = "";
      } else if (equals != std::string_view::npos) {
        values_[option.name] = arg.substr(equals + 1);
      } else {
        if (++i == args.size()) throw UsageError("the option " + std::string(name) + " needs a value");
        values_[option.name] = args[i];
      }
    }
    if (positionals_.size() != n_positionals) {
      throw UsageError(positionals_.size() < n_positionals ? std::string("an argument is missing") : "unexpected argument '" + printable(positionals_[n_positionals]) + "'");
    }
  }

  const std::string& positional(size_t i) const { return positionals_.at(i); }
  bool has(const char* name) const { return values_.contains(name); }

  std::string text(const char* name, const std::string& fallback) const {
    const auto found = values_.find(name);
    return found != values_.end() ? found->second : fallback;
  }

  int64_t integer(const char* name, int64_t low, int64_t high, int64_t fallback) const {
    const auto found = values_.find(name);
    return found != values_.end() ? whole(name, found->second, low, high) : fallback;
  }

  double real(const char* name, double low, double high, double fallback) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return fallback;
    char* end = nullptr;
    const double value = std::strtod(found->second.c_str(), &end);
    if (found->second.empty() || *end != '\0' || !(value >= low && value <= high)) {
      throw UsageError("the value '" + printable(found->second) + "' of " + name + " is not a number from " + shown(low) + " to " + shown(high));
    }
    return value;
  }

  /// A list such as 1,2,3; empty when the option is absent.
  std::vector<int32_t> integers(const char* name, int32_t low, int32_t high) const {
    std::vector<int32_t> out;
    const auto found = values_.find(name);
    if (found == values_.end()) return out;
    std::string_view rest = found->second;
    for (;;) {
      const size_t comma = rest.find(',');
      out.push_back(static_cast<int32_t>(whole(name, std::string(rest.substr(0, comma)), low, high)));
      if (comma == std::string_view::npos) return out;
      rest.remove_prefix(comma + 1);
    }
  }

 private:
  static const Option& lookup(std::initializer_list<Option> options, std::string_view name) {
    for (const Option& option : options) {
      if (name == option.name || (option.short_name != nullptr && name == option.short_name)) return option;
    }
    throw UsageError("unknown option '" + printable(name) + "'");
  }

  static int64_t whole(const char* name, const std::string& text, int64_t low, int64_t high) {
    char* end = nullptr;
    errno = 0;
    const long long value = std::strtoll(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || errno != 0 || value < low || value > high) {
      throw UsageError("the value '" + printable(text) + "' of " + name + " is not a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return value;
  }

  static std::string shown(double value) {
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  }

  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::string> positionals_;
};

}  // namespace conclave
