// Dates for chat templates: the directives of Python's strftime that templates use, in English and in local time.
// Knows nothing of templates; an unknown directive stays as it is written.

export const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
export const MONTHS = [
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
];

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

/** `format` with its directives filled in; `%-d` and its like leave out the leading zero. */
export function formatTime(date: Date, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (directive, dash: string, letter: string) => {
    const text = formatField(date, letter) ?? directive;
    return dash === "-" ? text.replace(/^0(?=\d)/, "") : text;
  });
}

function formatField(date: Date, letter: string): string | undefined {
  const day = DAYS[date.getDay()] ?? "";
  const month = MONTHS[date.getMonth()] ?? "";
  switch (letter) {
    case "Y":
      return String(date.getFullYear());
    case "y":
      return pad(date.getFullYear() % 100);
    case "m":
      return pad(date.getMonth() + 1);
    case "d":
      return pad(date.getDate());
    case "H":
      return pad(date.getHours());
    case "I":
      return pad(date.getHours() % 12 || 12);
    case "M":
      return pad(date.getMinutes());
    case "S":
      return pad(date.getSeconds());
    case "p":
      return date.getHours() < 12 ? "AM" : "PM";
    case "A":
      return day;
    case "a":
      return day.slice(0, 3);
    case "B":
      return month;
    case "b":
      return month.slice(0, 3);
    case "%":
      return "%";
    default:
      return undefined;
  }
}
