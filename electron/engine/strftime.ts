/** Dates as Python's strftime writes them in the C locale, which is what models saw in training; never the user's language. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;

const two = (value: number): string => String(value).padStart(2, "0");
const dayOfYear = (date: Date): number =>
  Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) / 86_400_000,
  );
const hour12 = (date: Date): number => date.getHours() % 12 || 12;
const dayName = (date: Date): string => DAYS[date.getDay()] as string;
const monthName = (date: Date): string => MONTHS[date.getMonth()] as string;

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2, " "),
  B: monthName,
  b: (date) => monthName(date).slice(0, 3),
  A: dayName,
  a: (date) => dayName(date).slice(0, 3),
  H: (date) => two(date.getHours()),
  I: (date) => two(hour12(date)),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  j: (date) => String(dayOfYear(date)).padStart(3, "0"),
  w: (date) => String(date.getDay()),
  u: (date) => String(date.getDay() || 7),
  F: (date) => strftime(date, "%Y-%m-%d"),
  T: (date) => strftime(date, "%H:%M:%S"),
  R: (date) => strftime(date, "%H:%M"),
  D: (date) => strftime(date, "%m/%d/%y"),
  c: (date) => strftime(date, "%a %b %e %H:%M:%S %Y"),
  x: (date) => strftime(date, "%m/%d/%y"),
  X: (date) => strftime(date, "%H:%M:%S"),
  Z: () => "",
  z: () => "",
  f: (date) => `${String(date.getMilliseconds()).padStart(3, "0")}000`,
  n: () => "\n",
  t: () => "\t",
  "%": () => "%",
};

/** `format` with Python's directives, in local time; `%-d` and its like drop the padding. Unknown directives stay as they are. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (whole, dash: string, letter: string) => {
    const text = Object.hasOwn(DIRECTIVES, letter) ? DIRECTIVES[letter]?.(date) : undefined;
    if (text === undefined) return whole;
    return dash === "-" ? text.replace(/^[0 ]+(?=.)/, "") : text;
  });
}
