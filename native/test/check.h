// The native tests' harness: named cases in a table, a failure prints where and what, and the last line of stdout is
// `N passed, N failed, N skipped`. Usage: TEST("reason for the case") { CHECK(x == y); }  ...  int main(int c, char** v) { return run_tests(c, v); }
#pragma once
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace conclave::test {

struct Skip { std::string why; };
struct Failure {};
struct Case { const char* name; std::function<void()> body; };

inline std::vector<Case>& cases() { static std::vector<Case> all; return all; }
struct Registrar { Registrar(const char* name, std::function<void()> body) { cases().push_back({name, std::move(body)}); } };

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  std::printf("    %s:%d: %s\n", file, line, what.c_str());
  throw Failure{};
}

/// Runs all cases, or those whose name contains argv[1].
inline int run_tests(int argc, char** argv) {
  int passed = 0, failed = 0, skipped = 0;
  for (const Case& test : cases()) {
    if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
    try {
      test.body();
      ++passed;
      std::printf("ok    %s\n", test.name);
    } catch (const Skip& skip) {
      ++skipped;
      std::printf("skip  %s: %s\n", test.name, skip.why.c_str());
    } catch (const Failure&) {
      ++failed;
      std::printf("FAIL  %s\n", test.name);
    } catch (const std::exception& error) {
      ++failed;
      std::printf("FAIL  %s: unexpected %s\n", test.name, error.what());
    }
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 ? 0 : 1;
}

}  // namespace conclave::test

#define CONCLAVE_JOIN2(a, b) a##b
#define CONCLAVE_JOIN(a, b) CONCLAVE_JOIN2(a, b)
#define TEST(name)                                                                                         \
  static void CONCLAVE_JOIN(test_body_, __LINE__)();                                                       \
  static const ::conclave::test::Registrar CONCLAVE_JOIN(test_case_, __LINE__){name, CONCLAVE_JOIN(test_body_, __LINE__)}; \
  static void CONCLAVE_JOIN(test_body_, __LINE__)()
#define CHECK(condition) do { if (!(condition)) ::conclave::test::fail(__FILE__, __LINE__, "not true: " #condition); } while (0)
#define CHECK_MSG(condition, message) do { if (!(condition)) ::conclave::test::fail(__FILE__, __LINE__, message); } while (0)
