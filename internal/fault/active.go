//go:build faults

package fault

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The variables that steer a faults build.
const (
	// EnvPlan lists what happens where: "part.rename:kill@2,publish.swap:error=EIO". An action is kill, stop
	// (SIGSTOP), error=ENOSPC|EIO|EACCES, sleep=500ms or hold=PATH, until there is such a file; @n means at the n-th visit
	// only, no @ at each visit.
	EnvPlan = "MILLRACE_FAULTS"
	// EnvTrace names a file that gets one line per visited point.
	EnvTrace = "MILLRACE_FAULTS_TRACE"
	// EnvOps names a file that gets one JSON Op per durable file operation: what a simulated crash may keep.
	EnvOps = "MILLRACE_FAULTS_OPS"
)

// Enabled says whether this binary was built for crash tests.
const Enabled = true

// Op is one durable file operation, as the simulated crash replays it. Kind is sync, syncdir, rename, link, swap
// (of a symlink; Other is the old target) or mkdir.
type Op struct {
	Kind  string `json:"kind"`
	Path  string `json:"path"`
	Other string `json:"other,omitempty"`
	Inode uint64 `json:"inode,omitempty"`
}

type rule struct {
	action string
	visit  int // 0: every one
}

var (
	mu     sync.Mutex
	visits = map[string]int{}
	rules  = parse(os.Getenv(EnvPlan))
	trace  = open(EnvTrace)
	ops    = open(EnvOps)
)

func open(env string) *os.File {
	path := os.Getenv(env)
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", env, err))
	}
	return f
}

func parse(plan string) map[string]rule {
	rules := map[string]rule{}
	for _, item := range strings.Split(plan, ",") {
		name, action, ok := strings.Cut(strings.TrimSpace(item), ":")
		if !ok {
			continue
		}
		action, at, _ := strings.Cut(action, "@")
		visit, _ := strconv.Atoi(at)
		rules[name] = rule{action, visit}
	}
	return rules
}

// Point is visited before the act it is named for: what the plan says happens here, or nil.
func Point(name string) error {
	mu.Lock()
	visits[name]++
	n := visits[name]
	r, planned := rules[name]
	if trace != nil {
		fmt.Fprintln(trace, name)
	}
	mu.Unlock()
	if !planned || (r.visit != 0 && r.visit != n) {
		return nil
	}
	kind, value, _ := strings.Cut(r.action, "=")
	switch kind {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		return nil
	case "sleep":
		d, _ := time.ParseDuration(value)
		time.Sleep(d)
		return nil
	case "hold":
		for _, err := os.Stat(value); err != nil; _, err = os.Stat(value) {
			time.Sleep(5 * time.Millisecond)
		}
		return nil
	case "error":
		errno := map[string]syscall.Errno{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EACCES": syscall.EACCES}[value]
		if errno == 0 {
			errno = syscall.EIO
		}
		return &os.PathError{Op: "fault", Path: name, Err: errno}
	}
	panic("fault: unknown action " + r.action)
}

// Record notes a durable file operation after it happened.
func Record(op Op) {
	if ops == nil {
		return
	}
	if info, err := os.Lstat(op.Path); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			op.Inode = st.Ino
		}
	}
	line, _ := json.Marshal(op)
	mu.Lock()
	defer mu.Unlock()
	_, _ = ops.Write(append(line, '\n'))
}
