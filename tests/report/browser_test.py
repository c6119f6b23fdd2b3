"""Plays the report's page in headless Chromium: browser_test.py PAGE VARIANTS EPOCHS. Ends with 0 when all is as it should be, 3 where the browser gave up, 77 without one."""

import pathlib
import sys

try:
    from selenium import webdriver
    from selenium.common.exceptions import InvalidSessionIdException, WebDriverException
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError as error:
    print(error)
    sys.exit(77)

page, variants, epochs = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
options = webdriver.ChromeOptions()
for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1000,1200"]:
    options.add_argument(argument)
options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
try:
    browser = webdriver.Chrome(options=options)
except WebDriverException as error:
    print(error)
    sys.exit(77)


def by_id(name):
    return browser.find_element(By.ID, name)


def words():
    return by_id("explore-words").text


def check(condition, what):
    if not condition:
        raise AssertionError(what + ": " + words())


try:
    browser.get(page.as_uri())
    plane = by_id("explore-plane")
    check(by_id("explore").is_displayed(), "the section is shown")
    check(len(Select(by_id("explore-epoch")).options) == epochs, "an option for each epoch")

    # Keyboard: from nothing to the leftmost network, on to a neighbour, choose, let go.
    plane.send_keys(Keys.HOME)
    check(browser.switch_to.active_element == plane, "the plane can be focused")
    first = words()
    check(first.startswith("Network ") and "seed" in first and "accuracy" in first, "Home says which network")
    plane.send_keys(Keys.ARROW_RIGHT)
    second = words()
    check(second.startswith("Network ") and second != first, "an arrow goes to another network")
    plane.send_keys(Keys.END)
    check(words() not in (first, ""), "End goes to the other side")
    check(not by_id("explore-chosen").is_displayed(), "nothing is chosen yet")
    plane.send_keys(Keys.ENTER)
    check(by_id("explore-title").text + "." == words(), "Enter chooses")
    rows = by_id("explore-epochs").find_elements(By.TAG_NAME, "tr")
    check(len(rows) == epochs and "not finite" not in rows[-1].text, "a row of numbers for each epoch")
    plane.send_keys(Keys.ESCAPE)
    check(not by_id("explore-chosen").is_displayed() and words().startswith("No network"), "Escape lets go")

    # By number, and what is no network is refused.
    number = by_id("explore-network")
    number.send_keys("7", Keys.TAB)
    check(words().startswith("Network 7:"), "a network by its number")
    number.clear()
    number.send_keys("123456789", Keys.TAB)
    check(browser.execute_script("return arguments[0].validationMessage", number) == "no such network", "no network of that number")

    # Network 36 has one exponent of minus infinity at every epoch: counted, not drawn, and its numbers are those of the analysis.
    number.clear()
    number.send_keys("36", Keys.TAB)
    data = browser.execute_script("return JSON.parse(document.getElementById('explore-data').textContent)")
    check("1 of 64 are minus infinity and not drawn." in by_id("explore-drawn").text, "minus infinity is counted")
    cells = by_id("explore-epochs").find_elements(By.TAG_NAME, "tr")[-1].find_elements(By.TAG_NAME, "td")
    for cell, name in zip(cells[2:4], ["max", "mean"]):
        exact = data[name][37 * epochs - 1]
        check(abs(float(cell.text) - exact) <= 1e-3 * abs(exact), "the exact " + name)
    check(cells[4].text == "1 of 64", "minus infinity is counted at every epoch")
    check(("thinned" in by_id("explore-drawn").text) == (data["spectrum"]["points"] < 64), "thinned curves are named")
    check("nats per step" in by_id("explore-statistics").text, "the unit of the statistics")

    # An emptied field chooses none.
    number.send_keys(Keys.BACKSPACE, Keys.BACKSPACE, Keys.TAB)
    check(not by_id("explore-chosen").is_displayed() and words().startswith("No network"), "an emptied field lets go")
    check(browser.execute_script("return arguments[0].validationMessage", number) == "", "an emptied field is no mistake")

    # Pointer: where the script itself puts network 7, hovering names one there and clicking chooses it.
    number.clear()
    number.send_keys("7", Keys.TAB)
    title = by_id("explore-title").text
    size = plane.size
    found = None
    ActionChains(browser).scroll_to_element(plane).perform()
    for x in range(-size["width"] // 2 + 70, size["width"] // 2 - 20, 8):
        ActionChains(browser, duration=0).move_to_element_with_offset(plane, x, 0).perform()
        if words().startswith("Network"):
            found = words()
            break
    check(by_id("explore-tip").is_displayed() and by_id("explore-tip").text + "." == found, "the network is named beside the pointer too")
    check(found is not None, "hovering over the middle of the plane meets a network")
    ActionChains(browser).click().perform()
    check(by_id("explore-title").text + "." == found, "a click chooses the network pointed at")
    check(title != "", "a network was chosen before")

    # Every colouring has a legend, every epoch draws.
    for option in ["architecture", "init", "size", "status", "accuracy"]:
        Select(by_id("explore-colour")).select_by_value(option)
        check(len(by_id("explore-legend").find_elements(By.TAG_NAME, "li")) > 0, "a legend of " + option)
    before = browser.execute_script("return arguments[0].toDataURL()", plane)
    if epochs > 1:
        number.clear()
        number.send_keys("7", Keys.TAB)
        tip = by_id("explore-tip").location
        Select(by_id("explore-epoch")).select_by_index(0)
        check(by_id("explore-tip").location != tip, "the name goes with the network to its place then")
        check(browser.execute_script("return arguments[0].toDataURL()", plane) != before, "another epoch is another picture")

    # A text alternative for every figure, nothing from outside, no error.
    for drawing in browser.find_elements(By.CSS_SELECTOR, "figure svg, #explore canvas"):
        check(len(drawing.get_attribute("aria-label") or "") > 20, "a text alternative")
    check(len(browser.execute_script("return performance.getEntriesByType('resource')")) == 0, "nothing is fetched")
    errors = [entry["message"] for entry in browser.get_log("browser")]
    check(not errors, "no message of the browser: " + "; ".join(errors))
    check(browser.execute_script("return JSON.parse(document.getElementById('explore-data').textContent).variant.length") == variants, "all networks")
except AssertionError as failure:
    print("failed:", failure)
    sys.exit(1)
except WebDriverException as failure:
    print("failed:", failure)
    # Its subclasses speak of the page, but for the one that there is no browser any more.
    sys.exit(3 if type(failure) in (WebDriverException, InvalidSessionIdException) else 1)
finally:
    browser.quit()
