// Package orderstest holds the plain twin of orders.Core, and random programs for both.
//
// The twin is made of slices, maps and big integers, and finds everything by looking at all there is. What
// is reserved is not kept but added up from the orders that live.
package orderstest
