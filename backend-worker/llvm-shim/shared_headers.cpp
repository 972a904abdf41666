// Compiles a unit with headers that were parsed before, for it and other units, so that its module
// is that of the unit alone. Which headers, and whether the unit may use them, is decided
// elsewhere.
#include "clang/CodeGen/CodeGenAction.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/FrontendActions.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Lex/PreprocessorOptions.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"

#include "ast_file.h"
#include "buffer.h"
#include "canonical.h"
#include "clang_unit.h"
#include "instantiate.h"
#include "shim.h"
#include "template_inputs.h"
#include "token_record.h"
#include "unit_order.h"

using namespace clang;
using namespace tender;

struct TenderTokens {
  TokenRecord record;
  Redeclarations redeclarations;
  std::string templateInput;
};

struct TenderSharedHeaders {
  std::string file;
  TenderTokens tokens;
  std::vector<NamedScope> named;
  std::vector<std::string> names;
  llvm::IntrusiveRefCntPtr<AskedClasses> asked;
};

namespace {

class ScanTokens final : public PreprocessorFrontendAction {
public:
  explicit ScanTokens(TokenRecord &record) : record(record) {}

protected:
  void ExecuteAction() override {
    Preprocessor &pp = getCompilerInstance().getPreprocessor();
    pp.IgnorePragmas();
    record.watch(getCompilerInstance());
    pp.EnterMainSourceFile();
    Token token;
    do
      pp.Lex(token);
    while (token.isNot(tok::eof));
    record.finish();
  }

private:
  TokenRecord &record;
};

class Generator final : public AstToString<PCHGenerator> {
public:
  template <typename... Args>
  explicit Generator(std::vector<NamedScope> &named, Args &&...args)
      : AstToString(std::forward<Args>(args)...), named(named) {}

  void HandleTranslationUnit(ASTContext &context) override {
    AstToString::HandleTranslationUnit(context);
    if (isComplete())
      visit(context.getTranslationUnitDecl(), context.getSourceManager());
  }

private:
  void visit(const DeclContext *scope, const SourceManager &sources) {
    for (const Decl *decl : scope->decls()) {
      if (isScope(decl))
        visit(cast<DeclContext>(decl), sources);
      if (!isNamedScope(decl))
        continue;
      named.push_back({placeOf(decl, sources), getWriter().getDeclID(decl).getRawValue()});
    }
  }

  std::vector<NamedScope> &named;
};

// Makes the declarations those that `UnitOrder` would make of them.
class Settle final : public ASTConsumer {
public:
  Settle(TenderSharedHeaders &out, CompilerInstance &instance) : out(out), instance(instance) {}

  ASTMutationListener *GetASTMutationListener() override { return &instantiations; }
  void HandleTagDeclDefinition(TagDecl *tag) override { Instantiations::completed(tag); }
  bool HandleTopLevelDecl(DeclGroupRef group) override {
    scope = instance.getSema().TUScope;
    for (Decl *decl : group)
      settle(decl);
    return true;
  }
  void HandleTranslationUnit(ASTContext &context) override {
    if (!out.asked || context.getDiagnostics().hasErrorOccurred())
      return;
    instantiateHere(instance.getSema(), scope, out.asked);
    out.names = namesLookedUpLate(context);
    for (const std::string &name : out.asked->names)
      out.names.push_back(CLASS + name);
  }

private:
  void settle(Decl *decl) {
    if (isScope(decl)) {
      for (Decl *inner : cast<DeclContext>(decl)->decls())
        settle(inner);
      return;
    }
    Instantiations::declared(decl);
    if (instance.getCodeGenOpts().hasReducedDebugInfo())
      out.tokens.redeclarations.declared(decl, instance.getSourceManager());
  }

  Instantiations instantiations;
  TenderSharedHeaders &out;
  CompilerInstance &instance;
  Scope *scope = nullptr;
};

class PrecompileShared final : public GeneratePCHAction {
public:
  explicit PrecompileShared(TenderSharedHeaders &out) : out(out) {}

protected:
  std::unique_ptr<ASTConsumer> CreateASTConsumer(CompilerInstance &instance,
                                                 llvm::StringRef) override {
    std::vector<std::unique_ptr<ASTConsumer>> consumers;
    consumers.push_back(std::make_unique<Settle>(out, instance));
    consumers.push_back(astGenerator<Generator>(instance, out.named, out.file));
    return std::make_unique<MultiplexConsumer>(std::move(consumers));
  }
  bool BeginSourceFileAction(CompilerInstance &instance) override {
    out.tokens.record.watch(instance);
    return GeneratePCHAction::BeginSourceFileAction(instance);
  }
  void EndSourceFileAction() override {
    out.tokens.record.finish();
    GeneratePCHAction::EndSourceFileAction();
  }

private:
  TenderSharedHeaders &out;
};

class TranslateInOrder final : public EmitLLVMOnlyAction {
public:
  TranslateInOrder(llvm::LLVMContext &context, const TokenRecord &scan,
                   const std::vector<NamedScope> *named, TemplateInputs *inputs, TenderTokens &rest)
      : EmitLLVMOnlyAction(&context), scan(scan), named(named), inputs(inputs), rest(rest) {}

protected:
  std::unique_ptr<ASTConsumer> CreateASTConsumer(CompilerInstance &instance,
                                                 llvm::StringRef file) override {
    auto generator = EmitLLVMOnlyAction::CreateASTConsumer(instance, file);
    if (!generator)
      return nullptr;
    return std::make_unique<UnitOrder>(std::move(generator), scan, rest.record, named, inputs,
                                       rest.redeclarations, instance);
  }
  bool BeginSourceFileAction(CompilerInstance &instance) override {
    rest.record.watch(instance);
    return EmitLLVMOnlyAction::BeginSourceFileAction(instance);
  }
  void EndSourceFileAction() override {
    rest.record.finish();
    EmitLLVMOnlyAction::EndSourceFileAction();
  }

private:
  const TokenRecord &scan;
  const std::vector<NamedScope> *named;
  TemplateInputs *inputs;
  TenderTokens &rest;
};

// Where the file is for clang. It is in memory, and so is its source, which clang looks up.
constexpr const char *FILE_NAME = "/tender/shared-headers.pch";

void include(const TenderHeaders &headers, CompilerInstance &instance) {
  auto memory = llvm::makeIntrusiveRefCnt<llvm::vfs::InMemoryFileSystem>();
  auto both =
      llvm::makeIntrusiveRefCnt<llvm::vfs::OverlayFileSystem>(instance.getVirtualFileSystemPtr());
  // Gives it the working directory, which the names start from.
  both->pushOverlay(memory);
  memory->addFileNoOwn(FILE_NAME, 0, llvm::MemoryBufferRef(ref(headers.file), FILE_NAME));
  memory->addFile(ref(headers.source), 0, llvm::MemoryBuffer::getMemBufferCopy(ref(headers.text)));
  instance.setVirtualFileSystem(both);
  instance.getPreprocessorOpts().ImplicitPCHInclude = FILE_NAME;
}

TenderPlace place(const NamedPlace &place) { return {str(place.file), place.offset}; }

} // namespace

extern "C" {

TenderTokens *tender_tokens_scan(TenderClang *unit) {
  auto tokens = std::make_unique<TenderTokens>();
  ScanTokens action(tokens->record);
  bool ok = unit->instance->ExecuteAction(action);
  unit->consumer.flush();
  return ok ? tokens.release() : nullptr;
}

void tender_tokens_free(TenderTokens *tokens) { delete tokens; }

size_t tender_tokens_files(const TenderTokens *tokens) { return tokens->record.files.size(); }

TenderTokenFile tender_tokens_file(const TenderTokens *tokens, size_t index) {
  const RecordedFile &file = tokens->record.files[index];
  return {str(file.name), str(file.spelled), file.hash,   file.statements, file.includer,
          file.entries,   file.tokens,       file.system, file.leavesState};
}

size_t tender_tokens_runs(const TenderTokens *tokens) { return tokens->record.runs.size(); }

TenderTokenRun tender_tokens_run(const TenderTokens *tokens, size_t index) {
  const TokenRun &run = tokens->record.runs[index];
  return {run.file, run.offset, run.tokens};
}

size_t tender_tokens_searched(const TenderTokens *tokens) { return tokens->record.searched.size(); }

TenderStr tender_tokens_directory(const TenderTokens *tokens, size_t index) {
  return str(tokens->record.searched[index]);
}

bool tender_tokens_show_places(const TenderTokens *tokens) { return tokens->record.showsPlaces; }

TenderStr tender_tokens_template_input(const TenderTokens *tokens) {
  return str(tokens->templateInput);
}

size_t tender_tokens_redeclarations(const TenderTokens *tokens) {
  return tokens->redeclarations.found.size();
}

TenderRedeclaration tender_tokens_redeclaration(const TenderTokens *tokens, size_t index) {
  const Redeclaration &one = tokens->redeclarations.found[index];
  return {place(one.first), place(one.later)};
}

TenderSharedHeaders *tender_shared_headers(TenderClang *unit, bool instantiate) {
  auto headers = std::make_unique<TenderSharedHeaders>();
  keepPathsRelative(*unit->instance);
  if (instantiate)
    headers->asked = llvm::makeIntrusiveRefCnt<AskedClasses>();
  PrecompileShared action(*headers);
  bool ok = unit->instance->ExecuteAction(action);
  unit->consumer.flush();
  return ok && !headers->file.empty() ? headers.release() : nullptr;
}

void tender_shared_headers_free(TenderSharedHeaders *headers) { delete headers; }

const TenderTokens *tender_shared_headers_tokens(const TenderSharedHeaders *headers) {
  return &headers->tokens;
}

TenderStr tender_shared_headers_file(const TenderSharedHeaders *headers) {
  return str(headers->file);
}

size_t tender_shared_headers_scopes(const TenderSharedHeaders *headers) {
  return headers->named.size();
}

TenderNamedScope tender_shared_headers_scope(const TenderSharedHeaders *headers, size_t index) {
  const NamedScope &one = headers->named[index];
  return {place(one.place), one.id};
}

size_t tender_shared_headers_names(const TenderSharedHeaders *headers) {
  return headers->names.size();
}

TenderStr tender_shared_headers_name(const TenderSharedHeaders *headers, size_t index) {
  return str(headers->names[index]);
}

LLVMModuleRef tender_clang_translate_in_order(TenderClang *unit, LLVMContextRef context,
                                              const TenderTokens *scan,
                                              const TenderHeaders *headers, TenderTokens **rest) {
  std::vector<NamedScope> named;
  if (headers) {
    include(*headers, *unit->instance);
    for (const TenderNamedScope &one : llvm::ArrayRef(headers->scopes, headers->scope_count))
      named.push_back({{ref(one.place.file).str(), one.place.offset}, one.id});
  }
  std::optional<TemplateInputs> inputs;
  if (headers && headers->instantiated) {
    std::vector<llvm::StringRef> names;
    for (TenderStr name : llvm::ArrayRef(headers->names, headers->name_count))
      names.push_back(ref(name));
    inputs.emplace(names);
  }
  auto tokens = std::make_unique<TenderTokens>();
  // Without headers, all declarations come in the unit's order.
  const TenderTokens none{};
  TranslateInOrder action(*llvm::unwrap(context), (scan ? scan : &none)->record,
                          headers ? &named : nullptr, inputs ? &*inputs : nullptr, *tokens);
  std::unique_ptr<llvm::Module> module = translate(*unit, action);
  if (!module)
    return nullptr;
  if (inputs)
    tokens->templateInput = inputs->found;
  if (tokens->templateInput.empty())
    unit->cookies = canonicalise(*module);
  *rest = tokens.release();
  return llvm::wrap(module.release());
}

} // extern "C"
