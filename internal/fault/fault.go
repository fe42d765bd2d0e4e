// Package fault marks the places where Millrace can be cut off or where a disk can fail: fault.Point("part.rename")
// stands before every write, fsync, rename and commit of ours. In a normal build it does nothing and costs nothing;
// built with `-tags faults` the crash tests steer it by environment variables (see active.go). It never decides
// what to do about a failure: the caller handles the error like any other.
package fault
