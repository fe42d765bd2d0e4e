package serve

import "errors"

func errNoPage(what string) error         { return errors.New(what) }
func errInvalid(what string) error        { return errors.New(what) }
func errConflict(what, hint string) error { return errors.New(what + hint) }
