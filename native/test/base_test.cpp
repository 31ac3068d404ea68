// base/: the thread pool under load, failure and reuse; JSON that always parses; UTF-8; SHA-256; buffers; features.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/cpu_features.h"
#include "base/debug_switches.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/printable.h"
#include "base/sha256.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "test/check.h"

using namespace conclave;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

template <class F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST("parallel_for calls every chunk exactly once, whatever the team") {
  for (const int n_threads : {1, 2, 3, 8}) {
    ThreadPool pool(n_threads);
    CHECK(pool.n_threads() == n_threads);
    for (const int64_t n : {0, 1, 2, 7, 64, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(n));
      pool.parallel_for(n, [&](int64_t chunk, int thread) {
        if (thread < 0 || thread >= n_threads) std::abort();
        calls[static_cast<size_t>(chunk)].fetch_add(1);
      });
      for (const auto& count : calls) CHECK(count.load() == 1);
    }
  }
}

TEST("what a chunk wrote is visible to the caller and to the next job's workers") {
  ThreadPool pool(4);
  std::vector<int64_t> values(64, 0);
  for (int round = 1; round <= 2000; ++round) {
    pool.parallel_for(64, [&](int64_t chunk, int) { values[static_cast<size_t>(63 - chunk)] += chunk + round; });
  }
  const int64_t expected = 2000 * 63 * 64 / 2 + 64 * (int64_t{2000} * 2001 / 2);
  CHECK(std::accumulate(values.begin(), values.end(), int64_t{0}) == expected);
}

TEST("an exception in a chunk reaches the caller, and the pool works on") {
  ThreadPool pool(3);
  for (int round = 0; round < 50; ++round) {
    const std::string message = message_of([&] { pool.parallel_for(100, [](int64_t chunk, int) { if (chunk == 40) throw std::runtime_error("chunk 40"); }); });
    CHECK(message == "chunk 40");
    std::atomic<int> n{0};
    pool.parallel_for(10, [&](int64_t, int) { n.fetch_add(1); });
    CHECK(n.load() == 10);
  }
}

TEST("pools come and go without waiting for sleepers") {
  for (int round = 0; round < 100; ++round) {
    ThreadPool pool(1 + round % 4);
    if (round % 2 == 0) pool.parallel_for(8, [](int64_t, int) {});
  }
}

TEST("a team larger than the machine still finishes: waiting threads sleep instead of spinning") {
  ThreadPool pool(16);
  std::atomic<int64_t> n{0};
  for (int round = 0; round < 200; ++round) pool.parallel_for(64, [&](int64_t, int) { n.fetch_add(1); });
  CHECK(n.load() == 200 * 64);
}

TEST("cost of an empty job") {
  ThreadPool pool;
  constexpr int kRounds = 5000;
  double best = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) pool.parallel_for(pool.n_threads(), [](int64_t, int) {});
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - begin;
    best = std::min(best, elapsed.count() / kRounds);
  }
  std::printf("    parallel_for on %d threads: %.0f ns\n", pool.n_threads(), best);
  CHECK(best < 1e6);   // a millisecond would mean that threads sleep through their jobs
}

TEST("JSON is escaped, shortest and never invalid") {
  JsonWriter json;
  json.begin_object().field("a\"b\\", "line\nbreak\x01\x7f").field("bytes", std::string_view("ok\xff\xc3\xa9\xed\xa0\x80"));
  json.key("list").begin_array().value(1).value(0.1).value(0.1f).value(true).null().value(std::nan("")).begin_object().end_object().end_array();
  json.field("big", uint64_t{18446744073709551615u}).field("small", int64_t{-9223372036854775807 - 1}).end_object();
  CHECK(json.text() == "{\"a\\\"b\\\\\":\"line\\u000abreak\\u0001\\u007f\",\"bytes\":\"ok\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                       "\"list\":[1,0.1,0.1,true,null,null,{}],\"big\":18446744073709551615,\"small\":-9223372036854775808}");
}

TEST("UTF-8: every bound of RFC 3629's table") {
  for (const char* good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) CHECK(is_utf8(good));
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3"}) {
    CHECK(!is_utf8(bad));
  }
}

TEST("a stranger's text fits one line") {
  CHECK(printable("a\nb\x1b[31m\xff") == "a?b?[31m?");
  CHECK(printable(std::string(100, 'x')) == std::string(80, 'x') + "...");
}

TEST("SHA-256 of the standard's examples, whole and in pieces") {
  CHECK(sha256_hex({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex(bytes_of("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1000000, 'a');
  CHECK(sha256_hex(bytes_of(million)) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  Sha256 pieces;
  for (size_t at = 0, n = 1; at < million.size(); at += n, n = n % 131 + 1) pieces.update(bytes_of(million).subspan(at, std::min(n, million.size() - at)));
  CHECK(pieces.finish() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST("buffers are aligned and zero, and an impossible size is an error with a way out") {
  for (const size_t bytes : {size_t{1}, size_t{100}, size_t{4096}, size_t{3} << 20}) {
    const AlignedBuffer buffer(bytes);
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % 64 == 0);
    for (size_t i = 0; i < bytes; ++i) CHECK(buffer.data()[i] == std::byte{0});
  }
  CHECK(AlignedBuffer(0).data() == nullptr);
  CHECK(message_of([] { AlignedBuffer(SIZE_MAX - 100); }).find("could not allocate") == 0);
}

TEST("the machine has at least one core, and wider vectors imply narrower ones") {
  CHECK(physical_cores() >= 1);
  const CpuFeatures& features = cpu_features();
  if (features.has_avx512_kernels()) CHECK(features.has_avx2_kernels());
  if (features.avx512_vnni) CHECK(features.avx512f);
}

TEST("a switch's value must be a number in range") {
  CHECK(std::string(debug_switch("CONCLAVE_CPU")) != "");
#ifndef _WIN32
  setenv("CONCLAVE_THREADS", "many", 1);
  CHECK(message_of([] { debug_switch_int("CONCLAVE_THREADS", 0, 512); }).find("CONCLAVE_THREADS is 'many'") != std::string::npos);
  setenv("CONCLAVE_THREADS", "9999", 1);
  CHECK(message_of([] { debug_switch_int("CONCLAVE_THREADS", 0, 512); }).find("0 to 512") != std::string::npos);
  unsetenv("CONCLAVE_THREADS");
#endif
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
