"""The course of figures over runs, as text and as a page."""
