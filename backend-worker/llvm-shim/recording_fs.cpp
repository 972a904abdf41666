// See recording_fs.h. It forwards to the real file system and reports each access. The contents of
// small files are cached, because all units of a crate read the same headers: a cached file need
// not be opened, read and closed. Every use first asks the system for the file's state.
//
// Files are read, not mapped: unmapping interrupts all cores of the process, and a mapped file that
// an editor truncates kills the process.
//
// The state is read before the file is opened. If the file is replaced in between, the recorded
// state is older than the content, so a later comparison fails and the file is read again.
#include "recording_fs.h"

#include <chrono>
#include <mutex>

#include <sys/stat.h>

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"

#include "buffer.h"

using namespace llvm;

namespace tender {
namespace {

int64_t nanoseconds(const timespec &time) {
  return int64_t(time.tv_sec) * 1000000000 + time.tv_nsec;
}

bool operator==(const TenderStamp &a, const TenderStamp &b) {
  return a.size == b.size && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns &&
         a.inode == b.inode;
}

// `vfs::Status` and the stamp, which has the time of the inode's last change in addition.
struct State {
  vfs::Status status;
  TenderStamp stamp;
};

sys::fs::file_type typeOf(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return sys::fs::file_type::regular_file;
  case S_IFDIR:
    return sys::fs::file_type::directory_file;
  case S_IFBLK:
    return sys::fs::file_type::block_file;
  case S_IFCHR:
    return sys::fs::file_type::character_file;
  case S_IFIFO:
    return sys::fs::file_type::fifo_file;
  case S_IFSOCK:
    return sys::fs::file_type::socket_file;
  default:
    return sys::fs::file_type::type_unknown;
  }
}

ErrorOr<State> stateOf(StringRef path) {
  SmallString<256> terminated(path);
  struct stat found;
  if (::stat(terminated.c_str(), &found) != 0)
    return std::error_code(errno, std::generic_category());
  TenderStamp stamp{uint64_t(found.st_size), nanoseconds(found.st_mtim), nanoseconds(found.st_ctim),
                    found.st_ino};
  vfs::Status status(path, sys::fs::UniqueID(found.st_dev, found.st_ino),
                     sys::toTimePoint(found.st_mtim.tv_sec, found.st_mtim.tv_nsec), found.st_uid,
                     found.st_gid, stamp.size, typeOf(found.st_mode),
                     sys::fs::perms(found.st_mode & sys::fs::all_perms));
  return State{std::move(status), stamp};
}

using Content = std::shared_ptr<const MemoryBuffer>;

// Null-terminated, as clang's lexer requires.
class SharedBuffer final : public MemoryBuffer {
public:
  SharedBuffer(Content content, StringRef name) : content(std::move(content)), name(name) {
    init(this->content->getBufferStart(), this->content->getBufferEnd(),
         /*RequiresNullTerminator=*/true);
  }
  BufferKind getBufferKind() const override { return MemoryBuffer_Malloc; }
  StringRef getBufferIdentifier() const override { return name; }

private:
  Content content;
  std::string name;
};

// Larger files are seldom headers.
constexpr uint64_t largestKept = 1 << 20;

// The size of the whole cache; further files are not cached. The headers of a large C++ unit are
// some 10 MiB.
constexpr uint64_t allKept = 64 << 20;

// Nanoseconds. A file that changed more recently may change again without a new time stamp.
constexpr int64_t settled = 2000000000;

bool isSettled(const TenderStamp &stamp) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::max(stamp.mtime_ns, stamp.ctime_ns) + settled <
         std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

class Contents {
public:
  Content find(StringRef path, const State &state) {
    std::lock_guard<std::mutex> guard(lock);
    auto entry = entries.find(path);
    if (entry == entries.end() || !(entry->second.stamp == state.stamp) ||
        entry->second.device != state.status.getUniqueID().getDevice())
      return nullptr;
    return entry->second.content;
  }

  void keep(StringRef path, const State &state, Content content) {
    if (content->getBufferSize() > largestKept || content->getBufferSize() != state.stamp.size ||
        !isSettled(state.stamp))
      return;
    std::lock_guard<std::mutex> guard(lock);
    if (total + state.stamp.size > allKept)
      return;
    Entry &entry = entries[path];
    total += state.stamp.size - entry.stamp.size;
    entry = {state.stamp, state.status.getUniqueID().getDevice(), std::move(content)};
  }

  // Contents in use are freed when their last user drops them.
  void forget() {
    std::lock_guard<std::mutex> guard(lock);
    entries.clear();
    total = 0;
  }

private:
  struct Entry {
    TenderStamp stamp{};
    uint64_t device = 0;
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
  // Without `inner` the content comes from the cache.
  RecordingFile(State known, std::unique_ptr<vfs::File> inner, Content content,
                const TenderEvents &events)
      : known(std::move(known)), inner(std::move(inner)), content(std::move(content)),
        events(events) {}

  ErrorOr<vfs::Status> status() override { return known.status; }
  std::error_code close() override { return inner ? inner->close() : std::error_code(); }

  ErrorOr<std::unique_ptr<MemoryBuffer>> getBuffer(const Twine &name, int64_t size, bool,
                                                   bool) override {
    if (!content) {
      auto buffer =
          inner->getBuffer(name, size, /*RequiresNullTerminator=*/true, /*IsVolatile=*/true);
      if (!buffer)
        return buffer.getError();
      content = std::move(*buffer);
      contents().keep(known.status.getName(), known, content);
    }
    events.read(events.context, str(known.status.getName()), &known.stamp,
                content->getBufferStart(), content->getBufferSize());
    SmallString<256> storage;
    return std::unique_ptr<MemoryBuffer>(new SharedBuffer(content, name.toStringRef(storage)));
  }

private:
  State known;
  std::unique_ptr<vfs::File> inner;
  Content content;
  const TenderEvents &events;
};

class RecordingFS final : public vfs::ProxyFileSystem {
public:
  RecordingFS(const TenderEvents &events, const FileTimes *times, Directories directories)
      : ProxyFileSystem(vfs::getRealFileSystem()), events(events), times(times),
        directories(directories) {}

  ErrorOr<vfs::Status> status(const Twine &path) override {
    SmallString<256> storage;
    StringRef name = path.toStringRef(storage);
    ErrorOr<State> state = lookUp(name);
    if (!state)
      return state.getError();
    return withAssumedTime(name, state->status);
  }

  ErrorOr<std::unique_ptr<vfs::File>> openFileForRead(const Twine &path) override {
    SmallString<256> storage;
    StringRef name = path.toStringRef(storage);
    ErrorOr<State> state = lookUp(name);
    if (!state)
      return state.getError();
    // clang skips a directory at the path of a file, so it matters as much as a missing file.
    if (state->status.isDirectory())
      events.read(events.context, str(name), &state->stamp, nullptr, 0);
    Content content = contents().find(name, *state);
    std::unique_ptr<vfs::File> inner;
    if (!content) {
      auto file = ProxyFileSystem::openFileForRead(name);
      if (!file)
        return file;
      // If the file was replaced in between, the opened one counts.
      ErrorOr<vfs::Status> opened = (*file)->status();
      if (!opened)
        return opened.getError();
      state->status = std::move(*opened);
      inner = std::move(*file);
    }
    return std::unique_ptr<vfs::File>(
        new RecordingFile(std::move(*state), std::move(inner), std::move(content), events));
  }

  bool exists(const Twine &path) override { return bool(status(path)); }

  vfs::directory_iterator dir_begin(const Twine &path, std::error_code &error) override {
    SmallString<256> storage;
    StringRef name = path.toStringRef(storage);
    ErrorOr<State> state = lookUp(name);
    if (state && state->status.isDirectory()) {
      if (!name.ends_with("/"))
        storage = (name + "/").str();
      reportExistence(storage, *state);
    }
    return ProxyFileSystem::dir_begin(path, error);
  }

  // The working directory of the real file system is that of the process, which all units share.
  std::error_code setCurrentWorkingDirectory(const Twine &) override {
    return make_error_code(errc::operation_not_permitted);
  }

private:
  static bool absent(std::error_code error) {
    return error == errc::no_such_file_or_directory || error == errc::not_a_directory;
  }

  // A lookUp-up matters as much as a read: `__has_include` only looks up.
  ErrorOr<State> lookUp(StringRef name) {
    ErrorOr<State> state = stateOf(name);
    if (!state) {
      if (absent(state.getError()))
        events.missing(events.context, str(name));
    } else if (state->status.isRegularFile() ||
               (directories == Directories::Reported && state->status.isDirectory())) {
      reportExistence(name, *state);
    }
    return state;
  }

  vfs::Status withAssumedTime(StringRef name, const vfs::Status &status) const {
    if (!times || times->find(name) == times->end())
      return status;
    return vfs::Status(status.getName(), status.getUniqueID(), times->lookup(name),
                       status.getUser(), status.getGroup(), status.getSize(), status.getType(),
                       status.getPermissions());
  }

  // Reports that it exists.
  void reportExistence(StringRef path, const State &state) {
    events.read(events.context, str(path), &state.stamp, nullptr, 0);
  }

  const TenderEvents &events;
  const FileTimes *times;
  const Directories directories;
};

} // namespace

bool isAsItWas(StringRef path, const TenderStamp &stamp) {
  ErrorOr<State> state = stateOf(path);
  return state && state->stamp == stamp;
}

IntrusiveRefCntPtr<vfs::FileSystem>
recordingFileSystem(const TenderEvents &events, const FileTimes *times, Directories directories) {
  return IntrusiveRefCntPtr<vfs::FileSystem>(new RecordingFS(events, times, directories));
}

} // namespace tender

extern "C" void tender_forget_files(void) { tender::contents().forget(); }
