// The commands of the `conclave` program; each lives in the file of its name. They return the exit status (0), throw
// UsageError (exit 2) or Error (exit 1), and write results to stdout and nothing else.
#pragma once
#include <span>

namespace conclave {

int command_inspect(std::span<char* const> args);
int command_logits(std::span<char* const> args);
int command_generate(std::span<char* const> args);
int command_bench(std::span<char* const> args);
int command_attention(std::span<char* const> args);
int command_quantize(std::span<char* const> args);
int command_perplexity(std::span<char* const> args);
int command_plan(std::span<char* const> args);

}  // namespace conclave
