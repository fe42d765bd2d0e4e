//go:build !faults

package fault

// Enabled says whether this binary was built for crash tests.
const Enabled = false

// Point returns nil: this build injects no faults.
func Point(string) error { return nil }

// Record does nothing: this build keeps no log of file operations.
func Record(Op) {}

// Op is one durable file operation; see active.go.
type Op struct {
	Kind, Path, Other string
}
