// Builds the graph of a module: its symbols, their references, and which symbols must stay
// together.
//
// It collects facts. Rust code (`partition`), which knows no LLVM, decides which piece owns a
// symbol.
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

#include "buffer.h"
#include "cut.h"
#include "shim.h"

using namespace llvm;
using namespace tender;

struct TenderGraph {
  std::vector<TenderNode> nodes;
  std::vector<TenderEdge> edges;
  std::vector<TenderTie> ties;
  std::vector<TenderAssembly> assembly;
  std::vector<uint32_t> operands;
  std::vector<std::string> names;
  std::string uncuttableReason;
};

namespace {

// Whether the address is used only by loads. GlobalOpt asks the same later.
bool onlyRead(const Value &pointer, SmallPtrSetImpl<const Value *> &seen) {
  for (const User *user : pointer.users()) {
    if (auto *load = dyn_cast<LoadInst>(user)) {
      if (load->isVolatile())
        return false;
    } else if (isa<GEPOperator>(user) || isa<BitCastOperator>(user)) {
      if (seen.insert(user).second && !onlyRead(*user, seen))
        return false;
    } else if (auto *transfer = dyn_cast<MemTransferInst>(user)) {
      if (transfer->isVolatile() || transfer->getRawDest() == &pointer)
        return false;
    } else if (!isa<ICmpInst>(user)) {
      return false;
    }
  }
  return true;
}

void markConstants(Module &module) {
  for (GlobalVariable &variable : module.globals()) {
    if (variable.isConstant() || !variable.hasLocalLinkage() ||
        variable.isExternallyInitialized() || variable.isThreadLocal() || variable.use_empty())
      continue;
    SmallPtrSet<const Value *, 16> seen;
    if (onlyRead(variable, seen))
      variable.setConstant(true);
  }
}

// As GlobalOpt would do later. In a piece with declarations only, two names would be two symbols.
void replaceAliases(Module &module) {
  SmallVector<GlobalValue *, 8> list;
  collectUsedGlobalVariables(module, list, /*CompilerUsed=*/false);
  collectUsedGlobalVariables(module, list, /*CompilerUsed=*/true);
  SmallPtrSet<GlobalValue *, 8> used(list.begin(), list.end());
  for (GlobalAlias &alias : module.aliases()) {
    const GlobalObject *object = alias.getAliaseeObject();
    if (object && !used.contains(&alias) && !alias.isInterposable() && !alias.isWeakForLinker() &&
        !object->isInterposable() && !object->isWeakForLinker())
      alias.replaceAllUsesWith(alias.getAliasee());
  }
}

class Builder {
public:
  Builder(Module &module, TenderGraph &graph, bool optimised)
      : module(module), graph(graph), optimised(optimised), values(numbered(module)) {
    for (size_t i = 0; i < values.size(); ++i)
      numbers[values[i]] = static_cast<uint32_t>(i);
    SmallVector<GlobalValue *, 8> list;
    collectUsedGlobalVariables(module, list, /*CompilerUsed=*/false);
    collectUsedGlobalVariables(module, list, /*CompilerUsed=*/true);
    used.insert(list.begin(), list.end());
    for (Function &function : module)
      for (Instruction &instruction : instructions(function))
        look(function, instruction);
  }

  void build() {
    graph.nodes.resize(values.size());
    for (uint32_t i = 0; i < values.size(); ++i) {
      graph.nodes[i] = describe(*values[i]);
      connect(i);
    }
    tieComdats();
    tieSections();
    if (!graph.assembly.empty())
      for (const GlobalValue *value : values)
        graph.names.push_back(value->getName().starts_with("llvm.") ? std::string()
                                                                    : nameInAssembly(*value));
  }

private:
  // Finds instructions that forbid copies of the function, and inline assembly.
  void look(Function &function, Instruction &instruction) {
    if (isa<IndirectBrInst>(instruction) || isa<CallBrInst>(instruction))
      unique.insert(&function);
    auto *call = dyn_cast<CallBase>(&instruction);
    if (!call)
      return;
    if (call->hasFnAttr(Attribute::ReturnsTwice) || call->isMustTailCall())
      unique.insert(&function);
    if (auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand()))
      recordAssembly(function, *call, *assembly);
  }

  // Rust code parses the text.
  void recordAssembly(Function &function, const CallBase &call, const InlineAsm &assembly) {
    TenderAssembly record = {numbers[&function], 0, 0, str(assembly.getAsmString())};
    record.firstOperand = graph.operands.size();
    for (const Use &operand : call.args())
      if (auto *value = dyn_cast<GlobalValue>(operand->stripInBoundsConstantOffsets()))
        graph.operands.push_back(numbers[value]);
    record.operands = graph.operands.size() - record.firstOperand;
    graph.assembly.push_back(record);
  }

  TenderNode describe(const GlobalValue &value) {
    TenderNode node = {};
    auto set = [&](uint32_t flag, bool on) { node.flags |= on ? flag : 0; };
    set(TENDER_NODE_DEFINED, !value.isDeclaration());
    set(TENDER_NODE_LOCAL, value.hasLocalLinkage());
    // The address of an ifunc depends on whether the referring code knows that it is one. For an
    // alias, only its own module knows which symbols it may equal, which matters when comparisons
    // are folded.
    set(TENDER_NODE_PINNED, isa<GlobalIFunc>(value) || (optimised && isa<GlobalAlias>(value)));
    set(TENDER_NODE_LINKONCE, value.hasLinkOnceLinkage());
    set(TENDER_NODE_OPTIONAL, value.hasAvailableExternallyLinkage());
    if (auto *function = dyn_cast<Function>(&value))
      describe(*function, node);
    else if (auto *variable = dyn_cast<GlobalVariable>(&value))
      describe(*variable, node);
    return node;
  }

  void describe(const Function &function, TenderNode &node) {
    node.flags |= TENDER_NODE_FUNCTION;
    if (function.isDeclaration())
      return;
    bool blockAddress = false;
    for (const BasicBlock &block : function) {
      ++node.blocks;
      blockAddress |= block.hasAddressTaken();
      for (const Instruction &instruction : block)
        if (!instruction.isDebugOrPseudoInst() && !instruction.isLifetimeStartOrEnd())
          ++node.instructions;
    }
    bool copyable = !function.isInterposable() && !function.isVarArg() && !blockAddress &&
                    !unique.contains(&function) && !function.hasFnAttribute(Attribute::NoInline) &&
                    !function.hasFnAttribute(Attribute::Naked) &&
                    !function.hasFnAttribute(Attribute::OptimizeNone) &&
                    !function.hasFnAttribute(Attribute::ReturnsTwice) &&
                    !function.hasFnAttribute(Attribute::PresplitCoroutine);
    if (function.hasFnAttribute(Attribute::AlwaysInline))
      node.flags |= TENDER_NODE_ALWAYS_INLINE;
    if (!copyable)
      return;
    node.flags |= TENDER_NODE_COPYABLE;
    bool plainComdat = !function.hasComdat() || function.getComdat()->getUsers().size() == 1;
    if (!used.contains(&function) && sectionsOf(function).empty() && plainComdat &&
        ((function.hasLocalLinkage() && !function.hasComdat() && !function.hasAddressTaken()) ||
         function.hasLinkOnceODRLinkage()))
      node.flags |= TENDER_NODE_REPLICABLE;
  }

  // No variable is defined twice, with any attributes, because every address may be compared, and
  // addresses that are equal in clang's object must be equal in ours:
  //
  // - `unnamed_addr` promises only that a constant may be *merged* with an equal one
  //   (https://llvm.org/docs/LangRef.html#global-variables), not that one constant may have two
  //   addresses. clang itself compares such addresses: dynamic_cast to a final class compares the
  //   object's pointer with the vtable, which in an anonymous namespace is `internal unnamed_addr
  //   constant`. `local_unnamed_addr` promises less still.
  // - Local typeinfo and its names are compared by address (libstdc++'s
  //   std::type_info::operator==).
  // - A literal is one object in all copies of its expression that the optimiser makes, and
  //   programs compare pointers to it (`name != default_name`). Linkers merge equal strings, but
  //   not constants with an embedded NUL, not in plain .rodata, not at -O0, and not across objects
  //   that link-time optimisation emits at -O0.
  // - Tables for switches and initialisers of local arrays are only read, but that is known only
  //   after optimisation.
  //
  // LLVM does the same when it splits modules: ThinLTO's import promotes a local that both modules
  // refer to, and imports its initialiser as available_externally (FunctionImportUtils);
  // SplitModule promotes all locals. So other pieces get constants as available_externally: loads
  // are folded, and the address is that of the one definition. `unnamed_addr` only allows it to be
  // in any piece.
  void describe(const GlobalVariable &variable, TenderNode &node) {
    if (isSpecial(variable.getName())) {
      node.flags |= TENDER_NODE_SPECIAL;
      return;
    }
    if (variable.isDeclaration())
      return;
    TypeSize size = module.getDataLayout().getTypeAllocSize(variable.getValueType());
    node.bytes = size.getKnownMinValue();
    bool plain = variable.isConstant() && !variable.isInterposable() &&
                 !variable.isExternallyInitialized() && !variable.isThreadLocal() &&
                 sectionsOf(variable).empty() && !variable.hasComdat() &&
                 !used.contains(&variable) && !variable.hasAppendingLinkage() &&
                 !variable.hasMetadata(LLVMContext::MD_associated);
    if (!plain)
      return;
    if (!variable.hasAvailableExternallyLinkage() && !variable.hasLinkOnceLinkage())
      node.flags |= TENDER_NODE_COPYABLE;
    if (variable.hasLocalLinkage() && variable.hasGlobalUnnamedAddr())
      node.flags |= TENDER_NODE_FOLLOWS_USERS;
  }

  // Adds the edges and ties of one symbol.
  void connect(uint32_t from) {
    GlobalValue &value = *values[from];
    targets.clear();
    visited.clear();
    if (graph.nodes[from].flags & TENDER_NODE_SPECIAL)
      return;
    if (auto *function = dyn_cast<Function>(&value)) {
      // Personality, prefix and prologue.
      for (const Use &operand : function->operands())
        mention(from, *operand);
      for (const Instruction &instruction : instructions(*function)) {
        if (auto *call = dyn_cast<CallBase>(&instruction))
          if (const Function *callee = call->getCalledFunction())
            ++targets[numbers[callee]];
        for (const Use &operand : instruction.operands())
          if (isa<Constant>(operand))
            mention(from, *operand);
      }
    } else if (auto *variable = dyn_cast<GlobalVariable>(&value)) {
      if (variable->hasInitializer())
        mention(from, *variable->getInitializer());
      if (const MDNode *associated = variable->getMetadata(LLVMContext::MD_associated))
        for (const MDOperand &operand : associated->operands())
          if (auto *constant = dyn_cast_or_null<ConstantAsMetadata>(operand.get()))
            if (auto *other = dyn_cast<GlobalObject>(constant->getValue()->stripPointerCasts()))
              tie(from, numbers[other]);
      // One array gives the order of constructors, and an entry with a comdat key must be in the
      // piece of its key.
      if (variable->getName() == "llvm.global_ctors" || variable->getName() == "llvm.global_dtors")
        for (const auto &[to, calls] : targets)
          tie(from, to);
    } else if (auto *alias = dyn_cast<GlobalAlias>(&value)) {
      mention(from, *alias->getAliasee());
      tieAll(from);
    } else if (auto *ifunc = dyn_cast<GlobalIFunc>(&value)) {
      mention(from, *ifunc->getResolver());
      tieAll(from);
    }
    for (const auto &[to, calls] : targets)
      if (to != from)
        graph.edges.push_back({from, to, calls});
  }

  void mention(uint32_t from, const Value &value) {
    if (auto *global = dyn_cast<GlobalValue>(&value)) {
      targets.insert({numbers[global], 0});
      return;
    }
    auto *constant = dyn_cast<Constant>(&value);
    if (!constant || isa<ConstantData>(constant) || !visited.insert(constant).second)
      return;
    if (auto *address = dyn_cast<BlockAddress>(constant))
      tie(from, numbers[address->getFunction()]);
    for (const Use &operand : constant->operands())
      mention(from, *operand);
  }

  void tieAll(uint32_t from) {
    for (const auto &[to, calls] : targets)
      tie(from, to);
  }

  void tieComdats() {
    DenseMap<const Comdat *, uint32_t> first;
    for (uint32_t i = 0; i < values.size(); ++i)
      if (const Comdat *comdat = values[i]->getComdat()) {
        auto [known, fresh] = first.insert({comdat, i});
        if (!fresh)
          tie(known->second, i);
      }
  }

  // A section that the source names is often a table, whose entries must be in the order of the
  // source.
  void tieSections() {
    StringMap<uint32_t> first;
    for (uint32_t i = 0; i < values.size(); ++i) {
      auto *object = dyn_cast<GlobalObject>(values[i]);
      if (!object || object->isDeclaration() || (graph.nodes[i].flags & TENDER_NODE_SPECIAL))
        continue;
      for (StringRef section : sectionsOf(*object)) {
        auto [known, fresh] = first.insert({section, i});
        if (!fresh)
          tie(known->second, i);
      }
    }
  }

  // The sections that the source names for `object`. It will be in one of them; `#pragma clang
  // section` names one for each kind of variable. Constructors are in the linker's arrays.
  static SmallVector<StringRef, 4> sectionsOf(const GlobalObject &object) {
    SmallVector<StringRef, 4> sections;
    if (object.getName() == "llvm.global_ctors")
      sections.push_back(".init_array");
    if (object.getName() == "llvm.global_dtors")
      sections.push_back(".fini_array");
    if (object.hasSection()) {
      StringRef section = object.getSection();
      for (StringRef array : {".init_array", ".fini_array"})
        if (section.starts_with(array))
          section = array;
      sections.push_back(section);
    }
    if (auto *function = dyn_cast<Function>(&object)) {
      if (function->hasFnAttribute("implicit-section-name"))
        sections.push_back(function->getFnAttribute("implicit-section-name").getValueAsString());
    } else if (auto *variable = dyn_cast<GlobalVariable>(&object)) {
      for (const char *kind : {"bss-section", "data-section", "relro-section", "rodata-section"})
        if (variable->hasAttribute(kind))
          sections.push_back(variable->getAttribute(kind).getValueAsString());
    }
    return sections;
  }

  void tie(uint32_t a, uint32_t b) {
    if (a != b)
      graph.ties.push_back({a, b});
  }

  Module &module;
  TenderGraph &graph;
  bool optimised;
  std::vector<GlobalValue *> values;
  DenseMap<const Value *, uint32_t> numbers;
  SmallPtrSet<const GlobalValue *, 8> used, unique;
  // The targets of the current symbol's references, with the number of direct calls.
  MapVector<uint32_t, uint32_t> targets;
  SmallPtrSet<const Constant *, 16> visited;
};

std::string uncuttableReasonOf(const Module &module) {
  if (!module.getModuleInlineAsm().empty())
    return "it has assembly outside of functions";
  if (!module.getTargetTriple().isOSBinFormatELF())
    return "its object format is not ELF";
  for (const char *name :
       {"llvm.gcov", "cfi.functions", "omp_offload.info", "llvm.offloading.symbols"})
    if (module.getNamedMetadata(name))
      return std::string("it has ") + name;
  for (const Function &function : module)
    if (function.getName().starts_with("llvm.instrprof."))
      return "it is instrumented for a profile";
  for (const GlobalVariable &variable : module.globals())
    if (variable.getName().starts_with("__llvm_prof") || variable.getName().starts_with("__covrec"))
      return "it is instrumented for coverage";
  return std::string();
}

} // namespace

namespace tender {

std::string nameInAssembly(const GlobalValue &value) {
  StringRef name = value.getName();
  // A name with this prefix is used by the assembler unchanged.
  if (name.consume_front("\1"))
    return name.str();
  return ((value.hasPrivateLinkage() ? ".L" : "") + name).str();
}

std::vector<GlobalValue *> numbered(Module &module) {
  std::vector<GlobalValue *> values;
  for (Function &value : module)
    values.push_back(&value);
  for (GlobalVariable &value : module.globals())
    values.push_back(&value);
  for (GlobalAlias &value : module.aliases())
    values.push_back(&value);
  for (GlobalIFunc &value : module.ifuncs())
    values.push_back(&value);
  return values;
}

} // namespace tender

extern "C" {

TenderModuleSize tender_module_size(LLVMModuleRef moduleRef) {
  TenderModuleSize size{};
  const Module &module = *unwrap(moduleRef);
  for (const Function &function : module) {
    size.functions += !function.isDeclaration();
    size.alwaysInline +=
        !function.isDeclaration() && function.hasFnAttribute(Attribute::AlwaysInline);
    for (const BasicBlock &block : function) {
      ++size.blocks;
      size.instructions += block.size();
    }
  }
  const DataLayout &layout = module.getDataLayout();
  for (const GlobalVariable &variable : module.globals())
    if (variable.hasInitializer())
      size.bytes += layout.getTypeAllocSize(variable.getValueType()).getFixedValue();
  return size;
}

TenderGraph *tender_graph(LLVMModuleRef moduleRef, bool optimised) {
  Module &module = *unwrap(moduleRef);
  auto graph = std::make_unique<TenderGraph>();
  graph->uncuttableReason = uncuttableReasonOf(module);
  if (graph->uncuttableReason.empty()) {
    if (optimised) {
      markConstants(module);
      replaceAliases(module);
    }
    Builder(module, *graph, optimised).build();
  }
  return graph.release();
}

void tender_graph_free(TenderGraph *graph) { delete graph; }

const TenderNode *tender_graph_nodes(const TenderGraph *graph, size_t *count) {
  *count = graph->nodes.size();
  return graph->nodes.data();
}

const TenderEdge *tender_graph_edges(const TenderGraph *graph, size_t *count) {
  *count = graph->edges.size();
  return graph->edges.data();
}

const TenderTie *tender_graph_ties(const TenderGraph *graph, size_t *count) {
  *count = graph->ties.size();
  return graph->ties.data();
}

const TenderAssembly *tender_graph_assembly(const TenderGraph *graph, size_t *count) {
  *count = graph->assembly.size();
  return graph->assembly.data();
}

const uint32_t *tender_graph_operands(const TenderGraph *graph, size_t *count) {
  *count = graph->operands.size();
  return graph->operands.data();
}

TenderStr tender_graph_name(const TenderGraph *graph, uint32_t node) {
  return node < graph->names.size() ? str(graph->names[node]) : TenderStr{nullptr, 0};
}

TenderStr tender_graph_uncuttable_reason(const TenderGraph *graph) { return str(graph->uncuttableReason); }

} // extern "C"
