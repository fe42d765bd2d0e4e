package jinja

// Text is the template as it is written, but for line ends, which are \n, and for the last of them.
func (t *Template) Text() string { return t.src }
