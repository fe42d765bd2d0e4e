package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// subject is a program under test: millrace, or one of the tiny writers of controls.go, which obey the same plan.
type subject struct {
	name   string
	bin    string // as users run it
	faults string // the same with fault points
	env    []string
}

// how is one start of a subject.
type how struct {
	args   []string
	faulty bool   // the build with fault points
	plan   string // MILLRACE_FAULTS
	trace  string // file for the trace of points
	ops    string // file for the log of durable operations
	shell  string // put before the command, run by sh: to set limits
}

// process is a running command line. Its outputs go to files: a worker that outlives its supervisor keeps writing.
type process struct {
	cmd     *exec.Cmd
	output  string
	ended   chan struct{}
	code    int // -1: ended by a signal
	orphan  int // worker that was left alone
	started time.Time
}

func (s *subject) start(dir, output string, h how) (*process, error) {
	bin := s.bin
	if h.faulty {
		bin = s.faults
	}
	args := append([]string{"-C", dir, "--threads", "2"}, h.args...)
	cmd := exec.Command(bin, args...)
	if h.shell != "" {
		cmd = exec.Command("sh", append([]string{"-c", h.shell + `; exec "$@"`, "sh", bin}, args...)...)
	}
	cmd.Env = append(os.Environ(), "MILLRACE_SECRET_CANARY="+canary, "NO_COLOR=1",
		"MILLRACE_FAULTS="+h.plan, "MILLRACE_FAULTS_TRACE="+h.trace, "MILLRACE_FAULTS_OPS="+h.ops)
	cmd.Env = append(cmd.Env, s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // our own Ctrl-C is not theirs
	out, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	fmt.Fprintf(out, "$ %s %s   # %s\n", filepath.Base(bin), strings.Join(args, " "), h.plan)
	cmd.Stdout, cmd.Stderr = out, out
	p := &process{cmd: cmd, output: output, ended: make(chan struct{}), started: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", bin, err)
	}
	go func() {
		defer close(p.ended)
		err := cmd.Wait()
		var exit *exec.ExitError
		switch {
		case err == nil:
		case errors.As(err, &exit):
			p.code = exit.ExitCode()
		default:
			p.code = -2
		}
	}()
	return p, nil
}

const hung = 90 * time.Second

// wait waits for the end of the command, and of a worker that it left behind.
func (p *process) wait() (int, error) {
	select {
	case <-p.ended:
	case <-time.After(hung):
		p.kill("both")
		<-p.ended
		return p.code, violation("it still ran after %v", hung)
	}
	for begun := time.Now(); p.orphan != 0 && alive(p.orphan); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > hung {
			_ = syscall.Kill(p.orphan, syscall.SIGKILL)
			return p.code, violation("worker %d did not end although its supervisor was killed %v ago", p.orphan, hung)
		}
	}
	return p.code, nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill sends SIGKILL to the worker, to the supervisor or to both, and says whether there was something to kill.
func (p *process) kill(whom string) bool {
	if !p.running() {
		return false
	}
	supervisor := p.cmd.Process.Pid
	p.signal(syscall.SIGSTOP) // it must not start a worker while we look for one
	for !slices.Contains([]string{"T", "Z", "X", ""}, stateOf(supervisor)) {
		time.Sleep(time.Millisecond)
	}
	worker := p.worker()
	hit := false
	if whom != "worker" || worker == 0 {
		hit = syscall.Kill(supervisor, syscall.SIGKILL) == nil
	}
	if whom != "supervisor" && worker != 0 {
		hit = syscall.Kill(worker, syscall.SIGKILL) == nil
	}
	p.signal(syscall.SIGCONT) // if it lives
	p.orphan = worker
	return hit
}

func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(p.cmd.Process.Pid, s) }

// worker is the child in which the engine runs; 0 while there is none.
func (p *process) worker() int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(after)
		if len(fields) > 1 && fields[1] == strconv.Itoa(p.cmd.Process.Pid) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}

// alive says whether a process that is not our child runs, or is stopped.
func alive(pid int) bool {
	state := stateOf(pid)
	return state != "" && state != "Z" && state != "X"
}

func stateOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(data), ") ")
	state, _, _ := strings.Cut(after, " ")
	return state
}

// said is everything that the command has written.
func (p *process) said() string {
	data, _ := os.ReadFile(p.output)
	return string(data)
}
