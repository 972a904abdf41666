// See token_record.h.
#include "token_record.h"

#include "clang/AST/DeclBase.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Lex/HeaderSearch.h"
#include "clang/Lex/Lexer.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Preprocessor.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace clang;

namespace tender {
namespace {

// The built-in definitions and the command line are no files.
constexpr uint32_t NONE = UINT32_MAX;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
  hash *= 0xff51afd7ed558ccd;
  return hash ^ (hash >> 32);
}

} // namespace

class TokenRecord::Callbacks final : public PPCallbacks {
public:
  explicit Callbacks(TokenRecord &record) : record(record) {}

  void InclusionDirective(SourceLocation hash, const Token &, StringRef spelled, bool angled,
                          CharSourceRange, OptionalFileEntryRef found, StringRef, StringRef,
                          const Module *, bool, SrcMgr::CharacteristicKind kind) override {
    if (!found || record.fileIndex.count(found->getName()))
      return;
    SourceManager &sources = *record.sources;
    uint32_t from = record.fileOf(sources.getFileID(sources.getExpansionLoc(hash)));
    uint32_t index = record.file(found->getName());
    RecordedFile &file = record.files[index];
    file.spelled = (angled ? "<" : "\"") + spelled.str() + (angled ? ">" : "\"");
    file.includer = from == NONE ? index : from;
    file.system = SrcMgr::isSystem(kind);
  }

  void PragmaDirective(SourceLocation location, PragmaIntroducerKind kind) override {
    record.pragma(location, kind);
  }

private:
  TokenRecord &record;
};

void TokenRecord::watch(CompilerInstance &instance) {
  pp = &instance.getPreprocessor();
  sources = &instance.getSourceManager();
  pp->addPPCallbacks(std::make_unique<Callbacks>(*this));
  pp->setTokenWatcher([this](const Token &token) { this->token(token); });
  for (const DirectoryLookup &directory : pp->getHeaderSearchInfo().search_dir_range())
    searched.push_back(directory.getName().str());
  showsPlaces = instance.getCodeGenOpts().getDebugInfo() != llvm::codegenoptions::NoDebugInfo;
}

void TokenRecord::finish() {
  for (size_t at = 0; at < files.size(); ++at) {
    files[at].statements += begun[at];
    files[at].leavesState |= !open[at].empty();
  }
  pp->setTokenWatcher(nullptr);
  // The record may be kept for long.
  identifiers.clear();
  ofFileId.clear();
  entered.clear();
  runsOf.resize(files.size());
  for (uint32_t at = 0; at < runs.size(); ++at)
    runsOf[runs[at].file].push_back(at);
}

uint32_t TokenRecord::file(StringRef name) {
  auto [found, isNew] = fileIndex.try_emplace(name, files.size());
  if (isNew) {
    files.emplace_back().name = name.str();
    open.emplace_back();
    begun.push_back(0);
  }
  return found->second;
}

uint32_t TokenRecord::fileOf(FileID id) {
  auto [found, isNew] = ofFileId.try_emplace(id, NONE);
  if (isNew)
    if (OptionalFileEntryRef entry = sources->getFileEntryRefForID(id)) {
      uint32_t index = file(entry->getName());
      found = ofFileId.find(id);
      found->second = index;
      if (id == sources->getMainFileID())
        files[index].includer = index;
    }
  return ofFileId.lookup(id);
}

void TokenRecord::token(const Token &token) {
  if (token.isAnnotation() || token.isOneOf(tok::eof, tok::eod))
    return;
  SourceLocation location = sources->getExpansionLoc(token.getLocation());
  FileID id = sources->getFileID(location);
  if (id != last) {
    uint32_t index = fileOf(id);
    if (index == NONE)
      return;
    files[index].entries += entered.insert(id).second;
    last = id;
    lastFile = index;
    runs.push_back({index, sources->getFileOffset(location), 0});
  }
  RecordedFile &file = files[lastFile];
  // `template X`, but not `template <`, `template class` or `x.template y`.
  if (previous[0] == tok::kw_template && !file.system &&
      !token.isOneOf(tok::less, tok::kw_class, tok::kw_struct, tok::kw_union) &&
      previous[1] != tok::period && previous[1] != tok::arrow && previous[1] != tok::coloncolon)
    inInstantiation = true;
  if (inInstantiation)
    declarator(token);
  previous[1] = std::exchange(previous[0], token.getKind());
  uint64_t hash;
  if (const IdentifierInfo *identifier = token.getIdentifierInfo()) {
    auto [found, isNew] = identifiers.try_emplace(identifier, 0);
    if (isNew)
      found->second = llvm::xxh3_64bits(identifier->getName());
    hash = found->second;
  } else if (token.isLiteral()) {
    SmallString<64> storage;
    bool invalid = false;
    hash = llvm::xxh3_64bits(pp->getSpelling(token, storage, &invalid));
  } else {
    hash = token.getKind();
  }
  file.hash = mix(file.hash, hash);
  begun[lastFile] = mix(begun[lastFile], hash);
  if (token.isOneOf(tok::semi, tok::l_brace, tok::r_brace))
    file.statements += std::exchange(begun[lastFile], 0);
  ++file.tokens;
  ++runs.back().tokens;
}

// Notes names that may be the one that is instantiated: no type before it, no template argument and
// nothing of its parameters.
void TokenRecord::declarator(const Token &token) {
  if (parameters > 0) {
    parameters += token.is(tok::l_paren);
    parameters -= token.is(tok::r_paren);
  } else {
    bool isType = token.isOneOf(tok::identifier, tok::star, tok::amp, tok::ampamp, tok::coloncolon,
                                tok::comma, tok::greater, tok::greatergreater);
    instantiatesExplicitly |= (name && !isType && name->isFromAST()) || token.is(tok::kw_operator);
    bool isBeforeParameters =
        name || previous[0] == tok::greater || previous[0] == tok::greatergreater;
    parameters = token.is(tok::l_paren) && isBeforeParameters;
  }
  name = token.is(tok::identifier) ? token.getIdentifierInfo() : nullptr;
  if (token.isOneOf(tok::semi, tok::l_brace, tok::r_brace)) {
    inInstantiation = false;
    parameters = 0;
    name = nullptr;
  }
}

// Known are pragmas whose effect ends with the file, and pairs of them that end what they begin.
void TokenRecord::pragma(SourceLocation location, PragmaIntroducerKind kind) {
  SourceLocation expanded = sources->getExpansionLoc(location);
  uint32_t index = fileOf(sources->getFileID(expanded));
  if (index == NONE)
    return;
  RecordedFile &file = files[index];
  if (kind != PIK_HashPragma && file.system)
    return;
  StringRef text;
  if (kind == PIK_HashPragma) {
    text = StringRef(sources->getCharacterData(expanded));
    text = text.take_until([](char c) { return c == '\n'; }).trim();
    text.consume_front("#");
    text = text.ltrim();
    text.consume_front("pragma");
  } else if (kind == PIK__Pragma) {
    // Clang has entered the operator's string, and begins to lex it (Preprocessor::Handle_Pragma).
    const auto *lexer = static_cast<const Lexer *>(pp->getCurrentLexer());
    const char *begin = lexer->getBufferLocation();
    text = StringRef(begin, lexer->getBuffer().end() - begin).trim();
  }
  SmallVector<StringRef, 8> words;
  SmallString<128> spaced;
  for (char c : text) {
    if (c == '(' || c == ')' || c == ',')
      spaced.append({' ', c, ' '});
    else
      spaced.push_back(c);
  }
  llvm::SplitString(spaced, words, " \t\r");
  file.hash = mix(file.hash, llvm::xxh3_64bits(text));
  auto is = [&](size_t at, StringRef word) { return at < words.size() && words[at] == word; };
  size_t at = is(0, "GCC") || is(0, "clang") ? 1 : 0;
  if (is(at, "once") || is(at, "system_header") || is(at, "region") || is(at, "endregion") ||
      is(at, "mark"))
    return;
  for (StringRef kind : {"diagnostic", "visibility", "pack", "push_macro", "pop_macro"}) {
    if (!is(at, kind))
      continue;
    size_t verb = at + 1 + is(at + 1, "(");
    if (kind == "push_macro" || is(verb, "push")) {
      open[index].push_back(kind == "push_macro" ? "pop_macro" : kind.str());
      return;
    }
    if (kind == "pop_macro" || is(verb, "pop")) {
      if (open[index].empty() || open[index].back() != kind)
        file.leavesState = true;
      else
        open[index].pop_back();
      return;
    }
    if (kind == "diagnostic" && !open[index].empty())
      return;
  }
  file.leavesState = true;
}

uint32_t TokenRecord::runAt(StringRef name, uint32_t offset) const {
  auto found = fileIndex.find(name);
  if (found == fileIndex.end() || runsOf[found->second].empty())
    return 0;
  const std::vector<uint32_t> &of = runsOf[found->second];
  uint32_t best = of.front();
  for (uint32_t at : of)
    if (runs[at].offset <= offset)
      best = at;
  return best;
}

uint32_t TokenRecord::runAt(const SourceManager &from, const Decl *decl) const {
  SourceLocation location = from.getExpansionLoc(decl->getLocation());
  OptionalFileEntryRef entry = from.getFileEntryRefForID(from.getFileID(location));
  return entry ? runAt(entry->getName(), from.getFileOffset(location)) : 0;
}

} // namespace tender
