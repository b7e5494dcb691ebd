// A click on the button opens the panel, and lets it read the tab that it was clicked in.
chrome.action.onClicked.addListener((tab) => chrome.sidePanel.open({ windowId: tab.windowId }));
