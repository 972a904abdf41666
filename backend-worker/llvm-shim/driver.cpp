// See driver.h.
//
// `clang::createInvocation` is not used: it forces -fsyntax-only on the driver, so options that
// depend on the output (split DWARF, coverage notes) come out differently from those of `clang -c`.
//
// A run of the driver looks for GCC installations and headers with over a hundred system calls, and
// all units of a crate give it the same arguments but for two names. So its answer is kept, with
// the names to be filled in, where they stand only in places that are understood, and with what it
// read: each unit depends on that as if it had run the driver itself. What was read is looked at
// again, because a command of the build may write a configuration file.
#include "driver.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "clang/Driver/Compilation.h"
#include "clang/Driver/Driver.h"
#include "clang/Driver/Tool.h"
#include "clang/Options/Options.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Option/ArgList.h"
#include "llvm/Option/OptTable.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/VirtualFileSystem.h"
#include "llvm/TargetParser/Host.h"

#include "buffer.h"
#include "recording_fs.h"

using namespace clang;

namespace tender {

DriverRequest::DriverRequest(TenderStr clang, const TenderStr *args, size_t count, TenderStr input,
                             TenderStr output)
    : clang(ref(clang).str()), input(ref(input).str()), output(ref(output).str()) {
  this->args.reserve(count);
  for (size_t i = 0; i < count; ++i)
    this->args.push_back(ref(args[i]).str());
}

namespace {

// Keeps what a file system tells, to tell it again.
class Reads {
public:
  TenderEvents events() {
    return TenderEvents{
        this,
        nullptr,
        [](void *reads, TenderStr path, const TenderStamp *stamp, const char *data, uint64_t size) {
          File file{ref(path).str(), *stamp, {}};
          if (data)
            file.content.emplace(data, size);
          static_cast<Reads *>(reads)->files.push_back(std::move(file));
        },
        [](void *reads, TenderStr path) {
          static_cast<Reads *>(reads)->missing.push_back(ref(path).str());
        },
        nullptr,
        nullptr};
  }

  void tell(const TenderEvents &events) const {
    for (const File &file : files)
      events.read(events.context, str(file.path), &file.stamp,
                  file.content ? file.content->data() : nullptr,
                  file.content ? file.content->size() : 0);
    for (const std::string &path : missing)
      events.missing(events.context, str(path));
  }

  // Whether the files that were read are as they were.
  bool hold() const {
    return llvm::all_of(
        files, [](const File &file) { return !file.content || isAsItWas(file.path, file.stamp); });
  }

private:
  struct File {
    std::string path;
    TenderStamp stamp;
    std::optional<std::string> content;
  };
  std::vector<File> files;
  std::vector<std::string> missing;
};

std::optional<DriverJob> runAfresh(const DriverRequest &request, DiagnosticsEngine &diags,
                                   Reads &reads) {
  llvm::SmallVector<const char *, 64> argv{request.clang.c_str()};
  for (const std::string &arg : request.args)
    argv.push_back(arg.c_str());
  // The last `-o` counts, and after `--` an input may begin with a dash.
  for (const char *arg : {"-o", request.output.c_str(), "--", request.input.c_str()})
    argv.push_back(arg);

  const TenderEvents events = reads.events();
  driver::Driver theDriver(request.clang, llvm::sys::getDefaultTargetTriple(), diags,
                           "clang LLVM compiler",
                           recordingFileSystem(events, nullptr, Directories::Told));
  theDriver.setCheckInputsExist(false);
  theDriver.setProbePrecompiled(false);
  std::unique_ptr<driver::Compilation> compilation(theDriver.BuildCompilation(argv));
  if (!compilation || compilation->containsError() || diags.hasErrorOccurred())
    return std::nullopt;

  // A word of the command is refused before the driver writes its file; one of a configuration file
  // only here.
  for (const llvm::opt::Arg *arg :
       compilation->getArgs().filtered(options::OPT_MJ, options::OPT_gen_cdb_fragment_path)) {
    diags.Report(
        diags.getCustomDiagID(DiagnosticsEngine::Error,
                              "tender does not support %0: units never write files of their own"))
        << arg->getSpelling();
    return std::nullopt;
  }
  const driver::JobList &jobs = compilation->getJobs();
  if (jobs.size() != 1) {
    diags.Report(diags.getCustomDiagID(
        DiagnosticsEngine::Error, "these arguments ask for %0 steps where one compile is expected"))
        << static_cast<unsigned>(jobs.size());
    return std::nullopt;
  }
  const driver::Command &job = *jobs.begin();
  const llvm::opt::ArgStringList &words = job.getArguments();
  llvm::StringRef first = words.empty() ? llvm::StringRef() : words.front();
  if (first != "-cc1" && first != "-cc1as") {
    diags.Report(diags.getCustomDiagID(
        DiagnosticsEngine::Error, "these arguments need another program than clang itself: %0"))
        << job.getExecutable();
    return std::nullopt;
  }
  DriverJob result{first == "-cc1as", {}};
  for (const char *word : llvm::ArrayRef<const char *>(words).drop_front())
    result.args.emplace_back(word);
  return result;
}

// A job for any input and output: at these places stands a name.
struct Template {
  DriverJob job;
  Reads reads;
  std::optional<size_t> input, output, mainFile;

  DriverJob fill(const DriverRequest &request) const {
    DriverJob filled = job;
    if (input)
      filled.args[*input] = request.input;
    if (output)
      filled.args[*output] = request.output;
    if (mainFile)
      filled.args[*mainFile] = llvm::sys::path::filename(request.input).str();
    return filled;
  }
};

const char MARK[] = "tender-placeholder";

// Nothing if a name has reached a place that is not known here; such arguments are given to the
// driver for each unit.
std::optional<Template> makeTemplate(DriverJob job, const Reads &reads) {
  Template result{std::move(job), reads, {}, {}, {}};
  const std::vector<std::string> &args = result.job.args;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].find(MARK) == std::string::npos)
      continue;
    llvm::StringRef before = i ? llvm::StringRef(args[i - 1]) : llvm::StringRef();
    if (args[i] == std::string("in/") + MARK && i + 1 == args.size())
      result.input = i;
    else if (args[i] == std::string("out/") + MARK && before == "-o")
      result.output = i;
    else if (args[i] == MARK && before == "-main-file-name")
      result.mainFile = i;
    else
      return std::nullopt;
  }
  if (!result.input)
    return std::nullopt;
  return result;
}

std::mutex lock;
// By the program and the arguments; an empty template says that these cannot be shared.
std::map<std::string, std::optional<Template>> &kept() {
  static std::map<std::string, std::optional<Template>> all;
  return all;
}

} // namespace

std::optional<DriverJob> runDriver(const DriverRequest &request, DiagnosticsEngine &diags,
                                   const TenderEvents &events) {
  std::string key = request.clang + '\0' + llvm::join(request.args, llvm::StringRef("\0", 1));
  bool unshared = false;
  {
    std::lock_guard<std::mutex> guard(lock);
    auto found = kept().find(key);
    unshared = found != kept().end() && !found->second;
    if (found != kept().end() && found->second && found->second->reads.hold()) {
      found->second->reads.tell(events);
      return found->second->fill(request);
    }
  }
  unsigned before = diags.getClient()->getNumWarnings();
  Reads reads;
  std::optional<DriverJob> job = runAfresh(request, diags, reads);
  reads.tell(events);
  // What the driver warns of is said for every unit, so such arguments are never kept.
  if (unshared || !job || diags.getClient()->getNumWarnings() != before)
    return job;

  DriverRequest general = request;
  general.input = std::string("in/") + MARK;
  general.output = std::string("out/") + MARK;
  std::optional<Template> made;
  Reads unused;
  if (std::optional<DriverJob> shared = runAfresh(general, diags, unused))
    made = makeTemplate(std::move(*shared), reads);
  // The proof that the template is right is that it gives what the driver gave for this unit.
  if (made && made->fill(request).args != job->args)
    made.reset();
  std::lock_guard<std::mutex> guard(lock);
  kept().insert_or_assign(std::move(key), std::move(made));
  return job;
}

std::string optionsBehind(const DriverRequest &request, llvm::ArrayRef<std::string> words) {
  std::vector<const char *> argv;
  for (const std::string &arg : request.args)
    argv.push_back(arg.c_str());
  unsigned missingIndex = 0, missingCount = 0;
  const llvm::opt::InputArgList parsed = getDriverOptTable().ParseArgs(
      argv, missingIndex, missingCount, llvm::opt::Visibility(options::ClangOption));

  // By its first word, the words of an option up to the next one, and what it is under all its
  // names.
  struct Option {
    llvm::ArrayRef<std::string> words;
    unsigned id;
  };
  std::map<unsigned, Option> all;
  for (const llvm::opt::Arg *arg : parsed)
    all.try_emplace(arg->getIndex(), Option{{}, arg->getOption().getUnaliasedOption().getID()});
  for (auto at = all.begin(); at != all.end(); ++at) {
    size_t end = std::next(at) == all.end() ? request.args.size() : std::next(at)->first;
    at->second.words = llvm::ArrayRef(request.args).slice(at->first, end - at->first);
  }

  auto gone = [&](llvm::function_ref<bool(const Option &)> leftOut) {
    DriverRequest less = request;
    less.args.clear();
    for (const auto &[index, option] : all)
      if (!leftOut(option))
        llvm::append_range(less.args, option.words);
    DiagnosticOptions silence;
    IgnoringDiagConsumer nobody;
    DiagnosticsEngine diags(DiagnosticIDs::create(), silence, &nobody, /*ShouldOwnClient=*/false);
    Reads unused;
    std::optional<DriverJob> job = runAfresh(less, diags, unused);
    return job && std::search(job->args.begin(), job->args.end(), words.begin(), words.end()) ==
                      job->args.end();
  };
  auto named = [&](llvm::function_ref<bool(const Option &)> decides) {
    std::vector<std::string> found;
    for (const auto &[index, option] : all)
      if (decides(option))
        llvm::append_range(found, option.words);
    return llvm::join(found, " ");
  };
  std::string one = named([&](const Option &option) {
    return gone([&](const Option &other) { return &other == &option; });
  });
  // An option that is given twice is there without any one of the two.
  return !one.empty() ? one : named([&](const Option &option) {
    return gone([&](const Option &other) { return other.id == option.id; });
  });
}

} // namespace tender
