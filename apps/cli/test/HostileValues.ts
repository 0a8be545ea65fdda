/** What a program or a user may write to take over a terminal, a line, or somebody's eyes. */
export const hostileValues: ReadonlyArray<string> = [
  "\u001b[2J\u001b[H", // clears the screen
  "\u001b[31mred\u001b[0m", // colours
  "\u001b[8mhidden", // conceals
  "\u001b]0;title\u0007", // the window's title
  "\u001b]0;title\u001b\\",
  "\u001b]2;title\u0007",
  "\u001b]8;;http://evil.example\u0007click\u001b]8;;\u0007", // a link
  "\u001b]52;c;cm0gLXJmIC8=\u0007", // the clipboard
  "\u001b]52;c;?\u0007", // asks for it
  "\u001b]4;1;?\u0007", // asks for a colour, answered as if it were typed
  "\u001b]10;?\u0007",
  "\u001b]1337;File=name=YQ==;inline=1:AAAA\u0007",
  "\u001b]9;notification\u0007",
  "\u001b]777;notify;a;b\u0007",
  "\u001b[c", // asks who the terminal is
  "\u001b[>c",
  "\u001b[5n",
  "\u001b[6n", // asks where the cursor is
  "\u001b[21t", // asks for the title
  "\u001b[?1049h", // another screen
  "\u001b[?1049l",
  "\u001b[?25l", // hides the cursor
  "\u001b[?1000h", // takes the mouse
  "\u001b[?2004l",
  '\u001bP$q"p\u001b\\', // a device control string
  "\u001bP+q544e\u001b\\",
  "\u001b_application\u001b\\",
  "\u001b^private\u001b\\",
  "\u001bXstring\u001b\\",
  "\u001b7\u001b8",
  "\u001bc", // a reset
  "\u001b#8",
  "\u001b(0lqk", // another alphabet
  "\u001b[1A\u001b[2K", // goes up, and erases what was said
  "\u001b[999D",
  "\u001b[1;1r",
  "\u001b[!p",
  "\u009b31m", // the same with one character
  "\u009d0;title\u009c",
  "\u0090+q544e\u009c",
  "\u0085next",
  "\rbulkhead: Completed", // over the line that was there
  "a\b\b\bb",
  "\u0007",
  "\u000e\u000f",
  "\u0000",
  "\u007f\u007f",
  "\u000b\u000c",
  "\u202Egpj.exe", // turns the text around
  "\u2066\u2067\u2069",
  "\u200F\u200E",
  "\u061C",
  "\u2028bulkhead: Completed",
  "\u2029",
  "\ud800",
  "\u001b" // the first half of one, the other comes later
]
