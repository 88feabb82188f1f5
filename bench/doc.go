// Package bench measures Tidegate: how fast a recorded day is decoded and its books are rebuilt, in
// how much memory, and whether the result is right.
//
// The input is a generated day of Nasdaq TotalView-ITCH 5.0 in BinaryFILE format, so that anybody can
// repeat a figure without a licence: WriteITCH makes it from a seed. RunDecode and RunBook process
// such a file several times and return a Report, which is JSON and, by Report.WriteText, a table.
//
// A figure counts only with a checked result: the generator keeps the truth about the orders that are
// live at the end by a calculation of its own, and a run whose books differ from it fails.
package bench
