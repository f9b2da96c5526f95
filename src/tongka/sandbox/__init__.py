"""The sandbox: faithful simulators of everything that the platform talks to. Its keys are worthless."""
