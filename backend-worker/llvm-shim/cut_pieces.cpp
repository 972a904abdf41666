// Carries out a cut: promotes symbols that several pieces refer to, writes the module once, and
// reads the pieces from it.
//
// Function bodies are separate in bitcode, so each piece reads its own and skips the others. Only
// tender_cut_write is serial.
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

#include "buffer.h"
#include "cut.h"
#include "shim.h"

using namespace llvm;
using namespace tender;

namespace {

void promote(GlobalValue &value, StringRef suffix) {
  value.setName(value.getName() + Twine(".") + suffix);
  value.setLinkage(GlobalValue::ExternalLinkage);
  value.setVisibility(GlobalValue::HiddenVisibility);
  value.setDSOLocal(true);
}

// Rebuilds llvm.used and the like from the symbols that this piece owns.
void filterUsed(Module &module, const SmallPtrSetImpl<GlobalValue *> &owned) {
  for (bool compiler : {false, true}) {
    SmallVector<GlobalValue *, 8> list;
    GlobalVariable *variable = collectUsedGlobalVariables(module, list, compiler);
    if (!variable)
      continue;
    variable->eraseFromParent();
    llvm::erase_if(list, [&](GlobalValue *value) { return !owned.contains(value); });
    if (compiler)
      appendToCompilerUsed(module, list);
    else
      appendToUsed(module, list);
  }
  if (GlobalVariable *annotations = module.getNamedGlobal("llvm.global.annotations"))
    annotations->eraseFromParent();
}

// Removes debug information that would otherwise be in the DWARF of every piece: of variables in
// other pieces, and of entities that no code refers to.
void filterDebugInfo(Module &module, const SmallPtrSetImpl<GlobalValue *> &defined, bool first) {
  SmallPtrSet<Metadata *, 32> elsewhere;
  for (GlobalVariable &variable : module.globals()) {
    SmallVector<DIGlobalVariableExpression *, 1> described;
    variable.getDebugInfo(described);
    if (!defined.contains(&variable))
      elsewhere.insert(described.begin(), described.end());
  }
  for (DICompileUnit *unit : module.debug_compile_units()) {
    SmallVector<Metadata *, 32> kept;
    for (DIGlobalVariableExpression *described : unit->getGlobalVariables()) {
      // A variable without a symbol has its value in the expression.
      bool constant =
          described->getExpression() && described->getExpression()->isConstant().has_value();
      if (!elsewhere.contains(described) && (first || !constant))
        kept.push_back(described);
    }
    unit->replaceGlobalVariables(kept.empty() ? nullptr : MDTuple::get(module.getContext(), kept));
    if (first)
      continue;
    // Null, not empty: an empty list of macros would be referred to, but not written.
    unit->replaceEnumTypes(nullptr);
    unit->replaceRetainedTypes(nullptr);
    unit->replaceMacros(nullptr);
  }
}

void undefine(Function &function) {
  // A table in another piece may hold addresses of its blocks. Bitcode cannot resolve them without
  // the body.
  if (any_of(function.users(), [](const User *user) { return isa<BlockAddress>(user); }))
    cantFail(function.materialize());
  function.deleteBody();
  function.setComdat(nullptr);
}

void undefine(GlobalVariable &variable) {
  variable.setInitializer(nullptr);
  variable.setLinkage(GlobalValue::ExternalLinkage);
  variable.setComdat(nullptr);
  variable.clearMetadata();
}

// An alias or ifunc cannot be a declaration, so it is replaced by a declaration of its target's
// type.
void undefine(GlobalValue &value, Module &module) {
  GlobalObject *declaration;
  if (auto *type = dyn_cast<FunctionType>(value.getValueType()))
    declaration =
        Function::Create(type, GlobalValue::ExternalLinkage, value.getAddressSpace(), "", &module);
  else
    declaration = new GlobalVariable(module, value.getValueType(), false,
                                     GlobalValue::ExternalLinkage, nullptr, "", nullptr,
                                     value.getThreadLocalMode(), value.getAddressSpace());
  declaration->takeName(&value);
  declaration->setVisibility(value.getVisibility());
  declaration->setDSOLocal(value.isDSOLocal());
  value.replaceAllUsesWith(declaration);
  value.eraseFromParent();
}

void becomeCopy(GlobalObject &value) {
  value.setLinkage(GlobalValue::AvailableExternallyLinkage);
  value.setComdat(nullptr);
}

void becomeReplica(GlobalObject &value) {
  // A promoted local is external for other pieces; defined it becomes internal again. linkonce and
  // locals stay unchanged.
  if (value.hasExternalLinkage()) {
    value.setVisibility(GlobalValue::DefaultVisibility);
    value.setLinkage(GlobalValue::InternalLinkage);
  }
}

void applyRole(GlobalValue &value, TenderRole role, Module &module) {
  if (value.isDeclaration() || role == TENDER_ROLE_DEFINITION)
    return;
  if (auto *object = dyn_cast<GlobalObject>(&value); object && !isa<GlobalIFunc>(object)) {
    if (role == TENDER_ROLE_COPY)
      return becomeCopy(*object);
    if (role == TENDER_ROLE_REPLICA)
      return becomeReplica(*object);
  }
  if (auto *function = dyn_cast<Function>(&value))
    undefine(*function);
  else if (auto *variable = dyn_cast<GlobalVariable>(&value)) {
    // An array such as llvm.global_ctors is complete or absent.
    if (variable->hasAppendingLinkage())
      variable->eraseFromParent();
    else
      undefine(*variable);
  } else
    undefine(value, module);
}

void eraseUnused(Module &module) {
  for (Function &function : make_early_inc_range(module)) {
    function.removeDeadConstantUsers();
    if (function.isDeclaration() && function.use_empty())
      function.eraseFromParent();
  }
  for (GlobalVariable &variable : make_early_inc_range(module.globals())) {
    variable.removeDeadConstantUsers();
    if (variable.isDeclaration() && variable.use_empty())
      variable.eraseFromParent();
  }
}

Expected<std::unique_ptr<Module>> readPiece(LLVMContext &context, StringRef bitcode,
                                            ArrayRef<uint8_t> roles, bool first) {
  Expected<std::unique_ptr<Module>> read =
      getLazyBitcodeModule(MemoryBufferRef(bitcode, "piece"), context);
  if (!read)
    return read.takeError();
  Module &module = **read;
  module.setModuleIdentifier(module.getSourceFileName());
  std::vector<GlobalValue *> values = numbered(module);
  if (values.size() != roles.size())
    return createStringError("the module has %zu symbols, and %zu have roles", values.size(),
                             roles.size());

  SmallPtrSet<GlobalValue *, 32> owned, defined;
  for (size_t i = 0; i < values.size(); ++i) {
    if (roles[i] == TENDER_ROLE_DEFINITION)
      owned.insert(values[i]);
    if (roles[i] == TENDER_ROLE_DEFINITION || roles[i] == TENDER_ROLE_REPLICA)
      defined.insert(values[i]);
  }
  filterDebugInfo(module, defined, first);
  if (!first)
    for (const char *name :
         {"llvm.ident", "llvm.commandline", "llvm.dependent-libraries", "llvm.linker.options"})
      if (NamedMDNode *node = module.getNamedMetadata(name))
        node->eraseFromParent();
  // Aliases are handled before their targets, because an alias of a declaration is invalid.
  for (size_t i = values.size(); i-- > 0;)
    if (!isSpecial(values[i]->getName()))
      applyRole(*values[i], static_cast<TenderRole>(roles[i]), module);
  filterUsed(module, owned);
  if (Error error = module.materializeAll())
    return std::move(error);
  eraseUnused(module);
  return read;
}

} // namespace

extern "C" {

void tender_cut_write(LLVMModuleRef moduleRef, const uint8_t *changes, size_t count,
                      TenderStr suffix, void *context,
                      void (*renamed)(void *context, TenderStr before, TenderStr now, bool used),
                      TenderBuffer *bitcode) {
  Module &module = *unwrap(moduleRef);
  std::vector<GlobalValue *> values = numbered(module);
  SmallVector<GlobalValue *, 8> list;
  collectUsedGlobalVariables(module, list, /*CompilerUsed=*/false);
  collectUsedGlobalVariables(module, list, /*CompilerUsed=*/true);
  SmallPtrSet<GlobalValue *, 8> used(list.begin(), list.end());
  for (size_t i = 0; i < count && i < values.size(); ++i) {
    GlobalValue &value = *values[i];
    if (changes[i] == TENDER_CHANGE_PROMOTE) {
      if (!value.hasName())
        value.setName("__unnamed");
      std::string before = nameInAssembly(value);
      promote(value, ref(suffix));
      std::string now = nameInAssembly(value);
      renamed(context, str(before), str(now), used.contains(&value));
    } else if (changes[i] == TENDER_CHANGE_KEEP) {
      value.setLinkage(value.hasLinkOnceODRLinkage() ? GlobalValue::WeakODRLinkage
                                                     : GlobalValue::WeakAnyLinkage);
    }
  }
  SmallString<0> bytes;
  raw_svector_ostream stream(bytes);
  WriteBitcodeToFile(module, stream);
  *bitcode = copy(bytes);
}

LLVMModuleRef tender_cut_piece(LLVMContextRef context, TenderStr bitcode, const uint8_t *roles,
                               size_t count, bool first, TenderBuffer *error) {
  auto piece = readPiece(*unwrap(context), ref(bitcode), ArrayRef(roles, count), first);
  if (piece)
    return wrap(piece->release());
  *error = copy(toString(piece.takeError()));
  return nullptr;
}

} // extern "C"
