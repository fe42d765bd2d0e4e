package extract

// Advise gives an error a hint of what to do about it.
func Advise(err error, hint string) error { return &advised{err, hint} }

type advised struct {
	err  error
	hint string
}

func (a *advised) Error() string { return a.err.Error() }
func (a *advised) Unwrap() error { return a.err }

// Hint is what to do about it.
func (a *advised) Hint() string { return a.hint }
