"""The capture process: a killable child per camera, from source to stream."""
