// Package archtest holds the tests that keep the shape of the project: which package may import
// which, who reads a clock, who owns which library, and a few rules of tidiness. It has no code of
// its own. The rules are tables at the top of the test files, each row with its reason; a failing
// test prints it. To change a rule, change its row.
//
// Only files that are not tests are held to the rules about imports, clocks and length: a test may
// import and do what it needs. The tests read the sources, so they also work while a package does
// not compile.
package archtest
