// See mapped_file.h.
#include "formats/mapped_file.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

#ifdef _WIN32
#define NOMINMAX
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
// psapi.h needs windows.h first.
#include <psapi.h>

#include <system_error>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace conclave {

#ifdef _WIN32
namespace {

[[noreturn]] void fail(const std::string& path, const char* verb, DWORD code) {
  throw Error(ErrorCode::kIo, std::string("could not ") + verb + " '" + path + "': " + std::system_category().message(static_cast<int>(code)));
}

struct Handle {
  HANDLE value;
  ~Handle() { if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value); }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.c_str(), -1, nullptr, 0);
  if (n <= 0) fail(path, "open", GetLastError());
  std::wstring wide(static_cast<size_t>(n), L'\0');
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.c_str(), -1, wide.data(), n);
  const Handle file{CreateFileW(wide.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr)};
  if (file.value == INVALID_HANDLE_VALUE) fail(path, "open", GetLastError());
  LARGE_INTEGER size;
  if (!GetFileSizeEx(file.value, &size)) fail(path, "read the size of", GetLastError());
  if (size.QuadPart == 0) return;
  if (static_cast<unsigned long long>(size.QuadPart) > SIZE_MAX) throw Error(ErrorCode::kIo, "'" + path + "' is too large for this computer's address space");
  const Handle mapping{CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  if (mapping.value == nullptr) fail(path, "map", GetLastError());
  data_ = MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0);
  if (data_ == nullptr) fail(path, "map", GetLastError());
  bytes_ = static_cast<size_t>(size.QuadPart);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) UnmapViewOfFile(data_);
}

// Unlocking pages that are not locked fails, and in doing so takes them out of the working set: the documented way.
void MappedFile::forget(std::span<const std::byte> bytes) {
  if (!bytes.empty()) VirtualUnlock(const_cast<std::byte*>(bytes.data()), bytes.size());
}

namespace {

bool is_resident(uintptr_t page) {
  PSAPI_WORKING_SET_EX_INFORMATION info{};
  info.VirtualAddress = reinterpret_cast<void*>(page);
  return QueryWorkingSetEx(GetCurrentProcess(), &info, sizeof(info)) != 0 && info.VirtualAttributes.Valid != 0;
}

uintptr_t page_bytes() {
  SYSTEM_INFO info{};
  GetSystemInfo(&info);
  return info.dwPageSize;
}

}  // namespace
#else
namespace {

[[noreturn]] void fail(const std::string& path, const char* verb, int code) {
  throw Error(ErrorCode::kIo, std::string("could not ") + verb + " '" + path + "': " + std::strerror(code));
}

struct Descriptor {
  int value;
  ~Descriptor() { if (value >= 0) ::close(value); }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: opening a named pipe must fail below rather than wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.value < 0) fail(path, "open", errno);
  struct stat info {};
  if (::fstat(file.value, &info) != 0) fail(path, "read the size of", errno);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::kIo, "could not open '" + path + "': it is not a regular file");
  if (info.st_size == 0) return;
  void* data = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, file.value, 0);
  if (data == MAP_FAILED) fail(path, "map", errno);
  data_ = data;
  bytes_ = static_cast<size_t>(info.st_size);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

// Only whole pages inside: a neighbour's part of the first and last page may still be wanted. Advice, so failure is no error.
void MappedFile::forget(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page, end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

namespace {

bool is_resident(uintptr_t page) {
#ifdef __linux__
  unsigned char state = 0;
#else
  char state = 0;
#endif
  return ::mincore(reinterpret_cast<void*>(page), 1, &state) == 0 && (state & 1) != 0;
}

uintptr_t page_bytes() { return static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace
#endif

double MappedFile::resident_share(std::span<const std::byte> bytes, int n_samples) {
  if (bytes.empty() || n_samples < 1) return 1.0;
  const uintptr_t page = page_bytes(), first = reinterpret_cast<uintptr_t>(bytes.data()) / page, last = (reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size() - 1) / page;
  const auto n = std::min<uintptr_t>(static_cast<uintptr_t>(n_samples), last - first + 1);
  uintptr_t resident = 0;
  for (uintptr_t i = 0; i < n; ++i) resident += is_resident((first + (last - first + 1) * i / n) * page) ? 1 : 0;
  return static_cast<double>(resident) / static_cast<double>(n);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

}  // namespace conclave
