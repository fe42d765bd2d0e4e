// Package check compiles the checks of a node into as few passes over its rows as they take, runs them in a warehouse, and
// tells which rows failed which rule. It never publishes and never decides what a failure does to a run. Read Result first.
package check
