package models

func (l *loader) seeds() {}
