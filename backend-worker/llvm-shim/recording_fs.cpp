// See recording_fs.h. The real file system answers; only the answers are noted.
#include "recording_fs.h"

#include <chrono>

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/MemoryBuffer.h"

#include "buffer.h"

using namespace llvm;

namespace tender {
namespace {

int64_t nanoseconds(sys::TimePoint<> time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

class RecordingFile final : public vfs::File {
public:
  RecordingFile(std::unique_ptr<vfs::File> inner, std::string path, const TenderEvents &events)
      : inner(std::move(inner)), path(std::move(path)), events(events) {}

  ErrorOr<vfs::Status> status() override { return inner->status(); }
  ErrorOr<std::string> getName() override { return inner->getName(); }
  std::error_code close() override { return inner->close(); }

  ErrorOr<std::unique_ptr<MemoryBuffer>> getBuffer(const Twine &name, int64_t size, bool nullTerminated,
                                                   bool isVolatile) override {
    auto status = inner->status();
    auto buffer = inner->getBuffer(name, size, nullTerminated, isVolatile);
    if (buffer && status)
      events.read(events.context, str(path), (*buffer)->getBufferSize(),
                  nanoseconds(status->getLastModificationTime()), (*buffer)->getBufferStart());
    return buffer;
  }

private:
  std::unique_ptr<vfs::File> inner;
  std::string path;
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
    auto file = ProxyFileSystem::openFileForRead(path);
    SmallString<256> storage;
    StringRef name = path.toStringRef(storage);
    if (!file) {
      if (absent(file.getError()))
        events.missing(events.context, str(name));
      return file;
    }
    auto status = (*file)->status();
    note(path, status);
    return std::unique_ptr<vfs::File>(new RecordingFile(std::move(*file), name.str(), events));
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
