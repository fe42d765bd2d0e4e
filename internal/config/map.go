package config

import (
	"bytes"
	"encoding/json"
	"iter"
	"reflect"
)

// Map is a mapping that keeps the order of the file and the place of each key. The zero Map is empty and usable.
type Map[V any] struct {
	keys  []string
	items map[string]*mapItem[V]
}

type mapItem[V any] struct {
	value         V
	keyPos, valPo Pos
}

// Len returns the number of keys.
func (m Map[V]) Len() int { return len(m.keys) }

// Keys returns the keys in order.
func (m Map[V]) Keys() []string { return append([]string(nil), m.keys...) }

// Get returns the value of key.
func (m Map[V]) Get(key string) (V, bool) {
	if item, ok := m.items[key]; ok {
		return item.value, true
	}
	var zero V
	return zero, false
}

// All iterates over keys and values in order.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range m.keys {
			if !yield(k, m.items[k].value) {
				return
			}
		}
	}
}

// Set sets the value of key, adding the key at the end when it is new.
func (m *Map[V]) Set(key string, value V) {
	if m.items == nil {
		m.items = map[string]*mapItem[V]{}
	}
	if item, ok := m.items[key]; ok {
		item.value = value
		return
	}
	m.keys = append(m.keys, key)
	m.items[key] = &mapItem[V]{value: value}
}

// Key returns the place of the key; nowhere when it is absent or was Set by code.
func (m Map[V]) Key(key string) Pos {
	if item, ok := m.items[key]; ok {
		return item.keyPos
	}
	return Pos{}
}

// At returns the place of the value of key; nowhere when it is absent or was Set by code.
func (m Map[V]) At(key string) Pos {
	if item, ok := m.items[key]; ok {
		return item.valPo
	}
	return Pos{}
}

// MarshalJSON writes an object in the order of the file.
func (m Map[V]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range m.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.items[k].value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// orderedMap is how the decoder and the schema see a Map of any type.
type orderedMap interface {
	add(e entry) reflect.Value
	elem() reflect.Type
}

func (m *Map[V]) add(e entry) reflect.Value {
	var zero V
	m.Set(e.key, zero)
	item := m.items[e.key]
	item.keyPos, item.valPo = e.pos, e.value.pos
	return reflect.ValueOf(&item.value).Elem()
}

func (m *Map[V]) elem() reflect.Type { return reflect.TypeFor[V]() }
