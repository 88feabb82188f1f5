// Package booktest holds the plain twins of the books in package book: obviously right, and slow.
//
// A twin has the same Apply contract, queries and state hash as the book it is a twin of, and is
// written with maps, sorted slices and nothing clever. Tests give both the same updates and compare
// everything after each.
package booktest
