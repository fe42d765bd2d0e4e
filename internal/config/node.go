package config

import (
	"encoding"
	"iter"
	"reflect"
)

// Node is a part of a file that is decoded later, once it is known against what. The zero Node is an absent value.
type Node struct {
	n *node
	f *File
	r Resolver
}

// IsZero reports whether the key was absent.
func (n Node) IsZero() bool { return n.n == nil }

// IsNull reports whether the value is absent or null.
func (n Node) IsNull() bool { return n.n == nil || n.n.kind == nullKind }

// IsMapping reports whether the value is a mapping.
func (n Node) IsMapping() bool { return n.n != nil && n.n.kind == mappingKind }

// IsList reports whether the value is a list.
func (n Node) IsList() bool { return n.n != nil && n.n.kind == listKind }

// IsScalar reports whether the value is a text, number or boolean.
func (n Node) IsScalar() bool { return n.n != nil && n.n.kind != nullKind && n.n.kind < listKind }

// Pos returns the place of the value.
func (n Node) Pos() Pos {
	if n.n == nil {
		return Pos{}
	}
	return n.n.pos
}

// Get returns the value of a key of a mapping, the zero Node when there is none.
func (n Node) Get(key string) Node {
	if n.n != nil {
		if e := n.n.get(key); e != nil {
			return Node{e.value, n.f, n.r}
		}
	}
	return Node{}
}

// Text returns a scalar as it is written, before interpolation; "" for anything else.
func (n Node) Text() string {
	if !n.IsScalar() {
		return ""
	}
	return n.n.text
}

// Items returns the items of a list.
func (n Node) Items() []Node {
	if n.n == nil {
		return nil
	}
	items := make([]Node, 0, len(n.n.items))
	for _, item := range n.n.items {
		items = append(items, Node{item, n.f, n.r})
	}
	return items
}

// All iterates over the keys and values of a mapping in file order.
func (n Node) All() iter.Seq2[string, Node] {
	return func(yield func(string, Node) bool) {
		if n.n == nil {
			return
		}
		for _, e := range n.n.entries {
			if !yield(e.key, Node{e.value, n.f, n.r}) {
				return
			}
		}
	}
}

// Origin returns the places of a mapping and its keys.
func (n Node) Origin() Origin { return Origin{n.n, n.f} }

// Decode fills into, pointers, from the node, resolving references with the Resolver of the File.Decode that made the
// node. Several structs are filled from the one mapping, each taking the keys it has; a key is unknown only when none
// of them has it. An absent node gives the defaults.
func (n Node) Decode(into ...any) Problems {
	d := &decoder{file: n.f, resolver: n.r}
	if d.file == nil {
		d.file = &File{}
	}
	targets := make([]reflect.Value, len(into))
	for i, t := range into {
		v := reflect.ValueOf(t)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			panic("config: Decode needs pointers")
		}
		targets[i] = v.Elem()
	}
	what := "the value"
	if n.n != nil && n.n == d.file.root {
		what = "the file"
	}
	if len(targets) == 1 {
		d.value(n.n, targets[0], field{}, what)
	} else {
		d.structs(n.n, targets, what)
	}
	return d.problems.Sort()
}

// Decode fills into, a pointer, from the whole document. References go to r; with a nil Resolver (lint) they are left
// in place, and a value that is not a text but holds a reference stays at its zero value unchecked.
func (f *File) Decode(into any, r Resolver) Problems {
	if f.root == nil {
		return nil
	}
	return f.Root(r).Decode(into)
}

// Root returns the whole document as a Node that resolves references with r.
func (f *File) Root(r Resolver) Node { return Node{f.root, f, r} }

// NodeDecoder is implemented by types that read themselves, such as those with a short and a long form.
type NodeDecoder interface {
	DecodeNode(Node) Problems
}

// Origin remembers where a mapping and its keys stand. Put one into a struct, embedded or as a field without a tag,
// and decoding fills it. The zero Origin points nowhere.
type Origin struct {
	n *node
	f *File
}

// Pos returns where the mapping begins.
func (o Origin) Pos() Pos {
	if o.n == nil {
		return Pos{}
	}
	return o.n.pos
}

// At returns the place of the value of key, or of the mapping when the key is absent.
func (o Origin) At(key string) Pos {
	if o.n != nil {
		if e := o.n.get(key); e != nil {
			return e.value.pos
		}
	}
	return o.Pos()
}

// Key returns the place of key itself, or of the mapping when the key is absent.
func (o Origin) Key(key string) Pos {
	if o.n != nil {
		if e := o.n.get(key); e != nil {
			return e.pos
		}
	}
	return o.Pos()
}

// Item returns the place of item i of the list at key, or of the nearest thing there is.
func (o Origin) Item(key string, i int) Pos {
	if o.n != nil {
		if e := o.n.get(key); e != nil && i >= 0 && i < len(e.value.items) {
			return e.value.items[i].pos
		}
	}
	return o.At(key)
}

// Has reports whether the key was written, as against filled in by a default.
func (o Origin) Has(key string) bool { return o.n != nil && o.n.get(key) != nil }

// IsNull reports whether the key was written with nothing behind it, or with null.
func (o Origin) IsNull(key string) bool {
	return o.Has(key) && Node{n: o.n.get(key).value, f: o.f}.IsNull()
}

// MarshalJSON returns null: places are no part of a configuration's content.
func (o Origin) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

var (
	originType    = reflect.TypeFor[Origin]()
	nodeType      = reflect.TypeFor[Node]()
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
	nodeDecodable = reflect.TypeFor[NodeDecoder]()
)
