// See driver.h.
//
// `clang::createInvocation` is not used: it adds -fsyntax-only, so options that depend on the
// output (split DWARF, coverage notes) differ from those of `clang -c`.
//
// A driver run searches GCC installations and headers with over a hundred system calls, and all
// units of a crate have the same arguments except for input and output. So its result is cached as
// a template, if input and output occur only at known positions. The files that the run read are
// recorded, because each unit depends on them. They are checked again before each use, because a
// command of the build may write a configuration file.
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

// Records the events of a file system and replays them.
class RecordedReads {
public:
  TenderEvents events() {
    return TenderEvents{
        this,
        nullptr,
        [](void *reads, TenderStr path, const TenderStamp *stamp, const char *data, uint64_t size) {
          File file{ref(path).str(), *stamp, {}};
          if (data)
            file.content.emplace(data, size);
          static_cast<RecordedReads *>(reads)->files.push_back(std::move(file));
        },
        [](void *reads, TenderStr path) {
          static_cast<RecordedReads *>(reads)->missing.push_back(ref(path).str());
        },
        nullptr,
        nullptr};
  }

  void replay(const TenderEvents &events) const {
    for (const File &file : files)
      events.read(events.context, str(file.path), &file.stamp,
                  file.content ? file.content->data() : nullptr,
                  file.content ? file.content->size() : 0);
    for (const std::string &path : missing)
      events.missing(events.context, str(path));
  }

  // Whether the files that were read are unchanged.
  bool areUnchanged() const {
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
                                   RecordedReads &reads) {
  llvm::SmallVector<const char *, 64> argv{request.clang.c_str()};
  for (const std::string &arg : request.args)
    argv.push_back(arg.c_str());
  // The last `-o` counts, and after `--` an input may start with a dash.
  for (const char *arg : {"-o", request.output.c_str(), "--", request.input.c_str()})
    argv.push_back(arg);

  const TenderEvents events = reads.events();
  driver::Driver theDriver(request.clang, llvm::sys::getDefaultTargetTriple(), diags,
                           "clang LLVM compiler",
                           recordingFileSystem(events, nullptr, Directories::Reported));
  theDriver.setCheckInputsExist(false);
  theDriver.setProbePrecompiled(false);
  std::unique_ptr<driver::Compilation> compilation(theDriver.BuildCompilation(argv));
  if (!compilation || compilation->containsError() || diags.hasErrorOccurred())
    return std::nullopt;

  // These are refused on the command line before the driver runs, but they may also come from a
  // configuration file.
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
        DiagnosticsEngine::Error, "these arguments need %0 steps, but a unit is compiled in one"))
        << static_cast<unsigned>(jobs.size());
    return std::nullopt;
  }
  const driver::Command &job = *jobs.begin();
  const llvm::opt::ArgStringList &words = job.getArguments();
  llvm::StringRef first = words.empty() ? llvm::StringRef() : words.front();
  if (first != "-cc1" && first != "-cc1as") {
    diags.Report(diags.getCustomDiagID(
        DiagnosticsEngine::Error, "these arguments make clang start another program: %0"))
        << job.getExecutable();
    return std::nullopt;
  }
  DriverJob result{first == "-cc1as", {}};
  for (const char *word : llvm::ArrayRef<const char *>(words).drop_front())
    result.args.emplace_back(word);
  return result;
}

// A job for any input and output, with the positions of their names.
struct Template {
  DriverJob job;
  RecordedReads reads;
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

const char PLACEHOLDER[] = "tender-placeholder";

// Nothing if a name occurs at an unknown position. The driver is then run for each unit.
std::optional<Template> makeTemplate(DriverJob job, const RecordedReads &reads) {
  Template result{std::move(job), reads, {}, {}, {}};
  const std::vector<std::string> &args = result.job.args;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].find(PLACEHOLDER) == std::string::npos)
      continue;
    llvm::StringRef before = i ? llvm::StringRef(args[i - 1]) : llvm::StringRef();
    if (args[i] == std::string("in/") + PLACEHOLDER && i + 1 == args.size())
      result.input = i;
    else if (args[i] == std::string("out/") + PLACEHOLDER && before == "-o")
      result.output = i;
    else if (args[i] == PLACEHOLDER && before == "-main-file-name")
      result.mainFile = i;
    else
      return std::nullopt;
  }
  if (!result.input)
    return std::nullopt;
  return result;
}

std::mutex lock;
// By program and arguments. An empty template means that the result cannot be shared.
std::map<std::string, std::optional<Template>> &templates() {
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
    auto found = templates().find(key);
    unshared = found != templates().end() && !found->second;
    if (found != templates().end() && found->second && found->second->reads.areUnchanged()) {
      found->second->reads.replay(events);
      return found->second->fill(request);
    }
  }
  unsigned before = diags.getClient()->getNumWarnings();
  RecordedReads reads;
  std::optional<DriverJob> job = runAfresh(request, diags, reads);
  reads.replay(events);
  // The driver's warnings must appear for every unit, so results with warnings are not cached.
  if (unshared || !job || diags.getClient()->getNumWarnings() != before)
    return job;

  DriverRequest general = request;
  general.input = std::string("in/") + PLACEHOLDER;
  general.output = std::string("out/") + PLACEHOLDER;
  std::optional<Template> made;
  RecordedReads unused;
  if (std::optional<DriverJob> shared = runAfresh(general, diags, unused))
    made = makeTemplate(std::move(*shared), reads);
  // The template must reproduce the driver's result for this unit.
  if (made && made->fill(request).args != job->args)
    made.reset();
  std::lock_guard<std::mutex> guard(lock);
  templates().insert_or_assign(std::move(key), std::move(made));
  return job;
}

std::string optionsBehind(const DriverRequest &request, llvm::ArrayRef<std::string> words) {
  std::vector<const char *> argv;
  for (const std::string &arg : request.args)
    argv.push_back(arg.c_str());
  unsigned missingIndex = 0, missingCount = 0;
  const llvm::opt::InputArgList parsed = getDriverOptTable().ParseArgs(
      argv, missingIndex, missingCount, llvm::opt::Visibility(options::ClangOption));

  // By the index of its first argument: the arguments of an option, and its id without aliases.
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
    IgnoringDiagConsumer ignored;
    DiagnosticsEngine diags(DiagnosticIDs::create(), silence, &ignored, /*ShouldOwnClient=*/false);
    RecordedReads unused;
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
  // An option that is given twice must be removed twice.
  return !one.empty() ? one : named([&](const Option &option) {
    return gone([&](const Option &other) { return other.id == option.id; });
  });
}

} // namespace tender
