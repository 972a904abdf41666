// See recording_fs.h. The real file system answers; the answers are noted, and the content of small
// files is kept: the headers of a crate are read by all its units, and a unit that finds one here
// saves opening, reading and closing it. Every use asks the system for the file's state first.
//
// Files are read, not mapped: a mapping that is given up interrupts all cores of the process, and
// one whose file is truncated by an editor kills it.
//
// The state is asked for before a file is opened. A file that is replaced in between has a state
// that is older than its content, so whoever compares states later reads it again.
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

// What `vfs::Status` has, and the time of the last change of the inode, which it lacks.
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

// Null-terminated, as clang's lexer needs it.
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

// Larger ones are seldom headers.
constexpr uint64_t largestKept = 1 << 20;

// All that is kept; what comes later is read anew for each unit. The headers of a large C++ unit
// are some 10 MiB.
constexpr uint64_t allKept = 64 << 20;

// A file that changed less than this ago may change again without a new time; nanoseconds.
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

  // What is in use lives on until it is not.
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
  // Without `inner` the content is known already.
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
    ErrorOr<State> state = look(name);
    if (!state)
      return state.getError();
    return seen(name, state->status);
  }

  ErrorOr<std::unique_ptr<vfs::File>> openFileForRead(const Twine &path) override {
    SmallString<256> storage;
    StringRef name = path.toStringRef(storage);
    ErrorOr<State> state = look(name);
    if (!state)
      return state.getError();
    // In the place of a file it is passed over, and matters as much as one that is not there.
    if (state->status.isDirectory())
      events.read(events.context, str(name), &state->stamp, nullptr, 0);
    Content content = contents().find(name, *state);
    std::unique_ptr<vfs::File> inner;
    if (!content) {
      auto file = ProxyFileSystem::openFileForRead(name);
      if (!file)
        return file;
      // What was opened counts, if the file was replaced in between.
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
    ErrorOr<State> state = look(name);
    if (state && state->status.isDirectory()) {
      if (!name.ends_with("/"))
        storage = (name + "/").str();
      told(storage, *state);
    }
    return ProxyFileSystem::dir_begin(path, error);
  }

  // That of the real file system is the process's own, which all units share.
  std::error_code setCurrentWorkingDirectory(const Twine &) override {
    return make_error_code(errc::operation_not_permitted);
  }

private:
  static bool absent(std::error_code error) {
    return error == errc::no_such_file_or_directory || error == errc::not_a_directory;
  }

  // What exists matters as much as what is read: `__has_include` only asks.
  ErrorOr<State> look(StringRef name) {
    ErrorOr<State> state = stateOf(name);
    if (!state) {
      if (absent(state.getError()))
        events.missing(events.context, str(name));
    } else if (state->status.isRegularFile() ||
               (directories == Directories::Told && state->status.isDirectory())) {
      told(name, *state);
    }
    return state;
  }

  vfs::Status seen(StringRef name, const vfs::Status &status) const {
    if (!times || times->find(name) == times->end())
      return status;
    return vfs::Status(status.getName(), status.getUniqueID(), times->lookup(name),
                       status.getUser(), status.getGroup(), status.getSize(), status.getType(),
                       status.getPermissions());
  }

  // That it is there.
  void told(StringRef path, const State &state) {
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
