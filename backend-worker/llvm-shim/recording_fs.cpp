// See recording_fs.h. The real file system answers; the answers are noted, and the content of small files is kept:
// the headers of a crate are read by all its units, and a unit that finds one here saves opening, reading and closing
// it. Every use asks the system for the file's state first.
//
// Files are read, not mapped: a mapping that is given up interrupts all cores of the process, and one whose file is
// truncated by an editor kills it.
#include "recording_fs.h"

#include <chrono>
#include <mutex>

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"

#include "buffer.h"

using namespace llvm;

namespace tender {
namespace {

int64_t nanoseconds(sys::TimePoint<> time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

using Content = std::shared_ptr<const MemoryBuffer>;

// Null-terminated, as clang's lexer needs it.
class SharedBuffer final : public MemoryBuffer {
public:
  SharedBuffer(Content content, StringRef name) : content(std::move(content)), name(name) {
    init(this->content->getBufferStart(), this->content->getBufferEnd(), /*RequiresNullTerminator=*/true);
  }
  BufferKind getBufferKind() const override { return MemoryBuffer_Malloc; }
  StringRef getBufferIdentifier() const override { return name; }

private:
  Content content;
  std::string name;
};

// Larger ones are seldom headers.
constexpr uint64_t largestKept = 1 << 20;

// All that is kept; what comes later is read anew for each unit. The headers of a large C++ unit are some 10 MiB.
constexpr uint64_t allKept = 64 << 20;

// A file that changed less than this ago may change again without a new time.
constexpr auto settled = std::chrono::seconds(2);

class Contents {
public:
  Content find(StringRef path, const vfs::Status &status) {
    std::lock_guard<std::mutex> guard(lock);
    auto entry = entries.find(path);
    if (entry == entries.end() || entry->second.size != status.getSize() ||
        entry->second.mtime != status.getLastModificationTime() || entry->second.id != status.getUniqueID())
      return nullptr;
    return entry->second.content;
  }

  void keep(StringRef path, const vfs::Status &status, Content content) {
    if (content->getBufferSize() > largestKept || content->getBufferSize() != status.getSize() ||
        status.getLastModificationTime() + settled > std::chrono::system_clock::now())
      return;
    std::lock_guard<std::mutex> guard(lock);
    if (total + status.getSize() > allKept)
      return;
    Entry &entry = entries[path];
    total += status.getSize() - entry.size;
    entry = {status.getSize(), status.getLastModificationTime(), status.getUniqueID(), std::move(content)};
  }

  // What is in use lives on until it is not.
  void forget() {
    std::lock_guard<std::mutex> guard(lock);
    entries.clear();
    total = 0;
  }

private:
  struct Entry {
    uint64_t size = 0;
    sys::TimePoint<> mtime;
    sys::fs::UniqueID id;
    Content content;
  };
  std::mutex lock;
  uint64_t total = 0;
  StringMap<Entry> entries;
};

Contents &contents() {
  static Contents all;
  return all;
}

class RecordingFile final : public vfs::File {
public:
  // Without `inner` the content is known already.
  RecordingFile(vfs::Status status, std::unique_ptr<vfs::File> inner, Content content, const TenderEvents &events)
      : known(std::move(status)), inner(std::move(inner)), content(std::move(content)), events(events) {}

  ErrorOr<vfs::Status> status() override { return known; }
  std::error_code close() override { return inner ? inner->close() : std::error_code(); }

  ErrorOr<std::unique_ptr<MemoryBuffer>> getBuffer(const Twine &name, int64_t size, bool, bool) override {
    if (!content) {
      auto buffer = inner->getBuffer(name, size, /*RequiresNullTerminator=*/true, /*IsVolatile=*/true);
      if (!buffer)
        return buffer.getError();
      content = std::move(*buffer);
      contents().keep(known.getName(), known, content);
    }
    events.read(events.context, str(known.getName()), content->getBufferSize(),
                nanoseconds(known.getLastModificationTime()), content->getBufferStart());
    SmallString<256> storage;
    return std::unique_ptr<MemoryBuffer>(new SharedBuffer(content, name.toStringRef(storage)));
  }

private:
  vfs::Status known;
  std::unique_ptr<vfs::File> inner;
  Content content;
  const TenderEvents &events;
};

class RecordingFS final : public vfs::ProxyFileSystem {
public:
  explicit RecordingFS(const TenderEvents &events)
      : ProxyFileSystem(vfs::getRealFileSystem()), events(events) {}

  ErrorOr<vfs::Status> status(const Twine &path) override {
    auto result = ProxyFileSystem::status(path);
    note(path, result);
    return result;
  }

  ErrorOr<std::unique_ptr<vfs::File>> openFileForRead(const Twine &path) override {
    SmallString<256> storage;
    StringRef name = path.toStringRef(storage);
    auto status = ProxyFileSystem::status(name);
    note(name, status);
    if (!status)
      return status.getError();
    Content content = contents().find(name, *status);
    std::unique_ptr<vfs::File> inner;
    if (!content) {
      auto file = ProxyFileSystem::openFileForRead(name);
      if (!file)
        return file;
      // What was opened counts, if the file was replaced in between.
      status = (*file)->status();
      if (!status)
        return status.getError();
      inner = std::move(*file);
    }
    return std::unique_ptr<vfs::File>(
        new RecordingFile(std::move(*status), std::move(inner), std::move(content), events));
  }

  bool exists(const Twine &path) override { return bool(status(path)); }

private:
  static bool absent(std::error_code error) {
    return error == errc::no_such_file_or_directory || error == errc::not_a_directory;
  }

  // What exists matters as much as what is read: `__has_include` only asks.
  void note(const Twine &path, const ErrorOr<vfs::Status> &status) {
    SmallString<256> storage;
    StringRef name = path.toStringRef(storage);
    if (!status) {
      if (absent(status.getError()))
        events.missing(events.context, str(name));
    } else if (status->isRegularFile()) {
      events.read(events.context, str(name), status->getSize(), nanoseconds(status->getLastModificationTime()),
                  nullptr);
    }
  }

  const TenderEvents &events;
};

} // namespace

IntrusiveRefCntPtr<vfs::FileSystem> recordingFileSystem(const TenderEvents &events) {
  return IntrusiveRefCntPtr<vfs::FileSystem>(new RecordingFS(events));
}

} // namespace tender

extern "C" void tender_forget_files(void) { tender::contents().forget(); }
