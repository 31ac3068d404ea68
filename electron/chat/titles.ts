// Pure: a conversation's title from its first message.

const longest = 60;

/** At most 60 UTF-16 units on one line, cut between words where there are any; '' only for blank text. */
export function titleFrom(text: string): string {
  const line = text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/[#*_`>~]+/g, "")
    .replaceAll(/\s+/gu, " ")
    .trim();
  if (line.length <= longest) return line === "" ? text.trim().slice(0, longest) : line;
  const room = longest - 1;
  const space = line.lastIndexOf(" ", room);
  // A space near the start means one very long word (or a script without spaces): cut inside it instead.
  const cut = space > longest / 3 ? space : wholeCharacters(line, room);
  return `${line.slice(0, cut).replace(/[\s,;:.!?-]+$/u, "")}…`;
}

/** Not between the halves of a surrogate pair. */
function wholeCharacters(line: string, end: number): number {
  const code = line.charCodeAt(end - 1);
  return code >= 0xd800 && code <= 0xdbff ? end - 1 : end;
}
