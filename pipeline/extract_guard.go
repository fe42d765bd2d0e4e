package pipeline

import (
	"fmt"

	"github.com/millrace/millrace/extract"
)

// guardStill refuses records that would come again in each run, as the cursor does not pass them.
func (x *extraction) guardStill(w *extract.Window, landed int64) error {
	if x.node.Stream.Mode == string(extract.Full) || landed == 0 || w.Hi != w.Lo || w.Overlaps {
		return nil
	}
	return x.refuse("the next run would read the same records again; check the cursor column", "%d records arrived, but the cursor stands still at %q", landed, cursorOf(x.node, string(w.Hi)))
}

// guard refuses to replace the table by so many rows when that is most likely a broken source: a red result is never green.
func (x *extraction) guard(rows int64) error {
	s := x.node.Stream
	// What a rebuild replaces is the published table, also when the stream is to forget it.
	published := x.run.before.Table(nameOf(x.node))
	if published == nil || published.Rows == 0 || !x.rebuilds() {
		return nil
	}
	if rows == 0 && !s.AllowEmpty && !x.selection.AllowEmpty {
		return x.refuse("if that is right: millrace run --allow-empty, or allow_empty: true on the stream", "the source is empty, and the published table has %d rows", published.Rows)
	}
	lost := published.Rows - rows
	if rows > 0 && lost > 0 && s.MaxShrink.Exceeded(lost, published.Rows) && !x.selection.AllowShrunken {
		return x.refuse(shrunkenHint, "the source has shrunk from %d rows to %d, by more than max_shrink: %s", published.Rows, rows, s.MaxShrink)
	}
	return nil
}

// guardDeletes does the same for rows that are gone from the source by its keys.
func (x *extraction) guardDeletes(gone, before int64) error {
	s := x.node.Stream
	if gone == 0 || gone < before && !s.MaxShrink.Exceeded(gone, before) || x.selection.AllowShrunken || gone == before && (s.AllowEmpty || x.selection.AllowEmpty) {
		return nil
	}
	hint := shrunkenHint
	if x.selection.Backfill != nil {
		hint = fmt.Sprintf("if that is right: the same command with --allow-shrunken; if the source was broken: millrace backfill --abandon %s, and the command again once it is mended", x.ID)
	}
	return x.refuse(hint, "%d of %d rows are gone from the source, more than max_shrink: %s", gone, before, s.MaxShrink)
}

const shrunkenHint = "if that is right: millrace run --allow-shrunken, or raise max_shrink on the stream"

func (x *extraction) refuse(hint, format string, args ...any) error {
	return &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: fmt.Errorf(format, args...), Hint: hint}
}
