#include "addon/hash.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/addon.h"
#include "addon/arguments.h"
#include "addon/failure.h"
#include "base/sha256.h"

namespace conclave {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

struct CloseFile {
  void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }   // read only: nothing to lose
};

std::FILE* open_file(const std::string& path) {
#ifdef _WIN32
  // The plain function would read the name in the system's code page; ours are UTF-8.
  return _wfopen(std::filesystem::path(std::u8string(path.begin(), path.end())).c_str(), L"rb");
#else
  return std::fopen(path.c_str(), "rb");
#endif
}

class HashJob : public Job {
 public:
  HashJob(Napi::Env env, std::shared_ptr<Mailbox> mailbox, std::string path)
      : mailbox_(std::move(mailbox)), path_(std::move(path)), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Value promise() const { return deferred_.Promise(); }

  void work() override {
    try {
      digest_ = digest();
    } catch (...) {
      failure_ = current_failure();
    }
  }
  void deliver(Napi::Env env) override {
    if (failure_) {
      deferred_.Reject(to_js(env, *failure_).Value());
    } else {
      deferred_.Resolve(Napi::String::New(env, digest_));
    }
    mailbox_->finish(env, *this);
  }
  void release() override {}
  void abandon() override { abandoned_ = true; }

 private:
  std::string digest() const {
    const std::unique_ptr<std::FILE, CloseFile> file(open_file(path_));
    if (!file) throw Error(ErrorCode::kIo, "Cannot open '" + path_ + "': " + std::strerror(errno) + ".");
    std::vector<std::byte> chunk(kChunkBytes);
    Sha256 hash;
    while (!abandoned_) {
      const size_t n = std::fread(chunk.data(), 1, chunk.size(), file.get());
      hash.update({chunk.data(), n});
      if (n < chunk.size()) break;
    }
    if (std::ferror(file.get()) != 0) throw Error(ErrorCode::kIo, "Cannot read '" + path_ + "': " + std::strerror(errno) + ".");
    return hash.finish();
  }

  const std::shared_ptr<Mailbox> mailbox_;
  const std::string path_;
  const Napi::Promise::Deferred deferred_;
  std::atomic<bool> abandoned_ = false;
  std::string digest_;                  // the job's thread, then JS
  std::optional<Failure> failure_;      // likewise
};

}  // namespace

Napi::Value hash_file(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::shared_ptr<Mailbox>& mailbox = Addon::of(info.Env()).mailbox;
    const auto job = std::make_shared<HashJob>(info.Env(), mailbox, path_argument(info, 0));
    const Napi::Value promise = job->promise();
    mailbox->start(info.Env(), job);
    return promise;
  });
}

}  // namespace conclave
