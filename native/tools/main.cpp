// `conclave COMMAND ...`: finds the command in the table, runs it, and turns every failure into one line on stderr and an
// exit status: 1 for bad input or a failed run, 2 for wrong usage.
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>

#include "base/debug_switches.h"
#include "base/error.h"
#include "tools/arguments.h"
#include "tools/commands.h"

namespace {

struct Command {
  const char* name;
  const char* usage;
  const char* meaning;
  int (*run)(std::span<char* const> args);
};

constexpr Command kCommands[] = {
    {"inspect", "FILE [--json]", "show a model file's metadata, tensors and what the engine makes of them", conclave::command_inspect},
    {"logits", "FILE --tokens 1,2,3 [--json] [--exact] [-t THREADS] [--device cpu|cuda|metal|auto [--vram 8G] [--expert-cache fixed|lru|lfu] [--expert-usage LOGITS.json]]", "compute the logits of every position and the experts chosen", conclave::command_logits},
    {"generate", "FILE --tokens 1,2,3 [-n TOKENS] [--temperature T] [--seed S] [--top-k K] [--top-p P] [--min-p P] [--repetition-penalty R] [--stop 1,2] [--draft off|lookup|mdlm|dflash|auto] [--draft-length N] [--drafter FILE,FILE] [--json] [--exact] [-t THREADS] [--device cpu|cuda|metal|auto [--vram 8G] [--expert-cache fixed|lru|lfu] [--expert-usage LOGITS.json]]",
     "continue a prompt of token ids", conclave::command_generate},
    {"bench", "FILE [-p PROMPT] [-n TOKENS] [-t THREADS] [--device cpu|cuda|metal|auto [--vram 8G] [--expert-cache fixed|lru|lfu] [--expert-usage LOGITS.json]] [--repeat R] [--chunk C] [--rows 1,2,4 [--random-rows]] [--shared-prefix 1024,4096 --batch 8,32] [--json] [--exact]",
     "measure prefill and decode against the machine's bandwidth, what a pass of so many rows costs, or sequences behind one prefix", conclave::command_bench},
    {"attention", "[--heads 8,1] [--width 128] [--kv F16|BF16|F32|Q8_0] [--batch 512,1024 --prefix 1024,2048] [--suffix 0,128] [--repeat R] [-t THREADS] [--device cpu|cuda|metal|auto] [--json]",
     "measure attention of sequences behind one prefix, met together and by each for itself; needs no model", conclave::command_attention},
    {"quantize", "IN OUT TYPE [--experts-only] [-t THREADS]", "write a model (a GGUF file of floats, or a Hugging Face folder) in another number format", conclave::command_quantize},
    {"perplexity", "FILE --tokens-file IDS [--context N] [--json] [--exact] [-t THREADS] [--device cpu|cuda|metal|auto [--vram 8G] [--expert-cache fixed|lru|lfu] [--expert-usage LOGITS.json]]", "measure how well a model expects texts, given as lines of token ids", conclave::command_perplexity},
    {"plan", "FILE --ram 32G [--vram 8G|free] | --unified 36G [--context N] [--kv F16|Q8_0|BF16|F32] [--json]", "show what of a model goes to the graphics card and what stays in memory", conclave::command_plan},
};

void print_help() {
  std::puts("usage: conclave COMMAND ARGUMENTS\n\ncommands:");
  for (const Command& command : kCommands) std::printf("  %-10s %s\n             %s\n", command.name, command.usage, command.meaning);
  std::puts("\nenvironment (for measuring and bug reports):");
  for (const conclave::DebugSwitch& entry : conclave::debug_switches()) std::printf("  %-20s %s (default %s)\n", entry.name, entry.meaning, entry.default_value);
}

int fail(int status, const char* message) {
  std::fprintf(stderr, "conclave: %s\n", message);
  return status;
}

int run_command(const Command& command, std::span<char* const> args) {
  try {
    return command.run(args);
  } catch (const conclave::UsageError& error) {
    std::fprintf(stderr, "conclave: %s; usage: conclave %s %s\n", error.what(), command.name, command.usage);
    return 2;
  } catch (const std::bad_alloc&) {
    return fail(1, "out of memory; close other programs or choose a smaller model or context");
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return 0;
  }
  if (name.empty()) return fail(2, "a command is missing; `conclave --help` lists them");
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    const int status = run_command(command, {argv + 2, static_cast<size_t>(argc - 2)});
    const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    return status == 0 && !written ? fail(1, "the output could not be written") : status;
  }
  std::fprintf(stderr, "conclave: unknown command '%s'; `conclave --help` lists them\n", conclave::printable(name).c_str());
  return 2;
}
