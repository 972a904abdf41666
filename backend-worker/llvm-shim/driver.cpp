// See driver.h.
//
// `clang::createInvocation` is not used: it forces -fsyntax-only on the driver, so options that depend on the output
// (split DWARF, coverage notes) come out differently from those of `clang -c`.
#include "driver.h"

#include "clang/Driver/Compilation.h"
#include "clang/Driver/Driver.h"
#include "clang/Driver/Tool.h"
#include "llvm/Support/VirtualFileSystem.h"
#include "llvm/TargetParser/Host.h"

#include "buffer.h"

using namespace clang;

namespace tender {

std::optional<DriverJob> runDriver(TenderStr clang, const TenderStr *args, size_t count, DiagnosticsEngine &diags) {
  std::string program = ref(clang).str();
  std::vector<std::string> storage;
  storage.reserve(count);
  for (size_t i = 0; i < count; ++i)
    storage.push_back(ref(args[i]).str());
  llvm::SmallVector<const char *, 64> argv{program.c_str()};
  for (const std::string &arg : storage)
    argv.push_back(arg.c_str());

  driver::Driver theDriver(program, llvm::sys::getDefaultTargetTriple(), diags);
  theDriver.setCheckInputsExist(false);
  theDriver.setProbePrecompiled(false);
  std::unique_ptr<driver::Compilation> compilation(theDriver.BuildCompilation(argv));
  if (!compilation || compilation->containsError() || diags.hasErrorOccurred())
    return std::nullopt;

  const driver::JobList &jobs = compilation->getJobs();
  if (jobs.size() != 1) {
    diags.Report(diags.getCustomDiagID(DiagnosticsEngine::Error,
                                       "these arguments ask for %0 steps where one compile is expected"))
        << static_cast<unsigned>(jobs.size());
    return std::nullopt;
  }
  const driver::Command &job = *jobs.begin();
  const llvm::opt::ArgStringList &words = job.getArguments();
  llvm::StringRef first = words.empty() ? llvm::StringRef() : words.front();
  if (first != "-cc1" && first != "-cc1as") {
    diags.Report(diags.getCustomDiagID(DiagnosticsEngine::Error,
                                       "these arguments need another program than clang itself: %0"))
        << job.getExecutable();
    return std::nullopt;
  }
  DriverJob result{first == "-cc1as", {}};
  for (const char *word : llvm::ArrayRef<const char *>(words).drop_front())
    result.args.emplace_back(word);
  return result;
}

} // namespace tender
